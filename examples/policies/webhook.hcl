# An app that receives Connect webhooks: it learns whether one was signed by Finicity, without the partner secret.
path "finicity/webhook/verify" {
  capabilities = ["update"]
}

# For an app that receives Connect webhooks: allows checking whether Finicity has signed one, without the partner secret.
path "finicity/webhook/verify" {
  capabilities = ["update"]
}

# For apps that receive Connect webhooks. They learn whether Finicity signed a webhook,
# without the partner secret.
path "finicity/webhook/verify" {
  capabilities = ["update"]
}

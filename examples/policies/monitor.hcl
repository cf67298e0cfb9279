# For monitoring: allows reading the state of the engine, which has no secret and sends no request to Finicity.
path "finicity/status" {
  capabilities = ["read"]
}

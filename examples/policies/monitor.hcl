# For monitoring: the state of the engine, without any secret and without a call to Finicity.
path "finicity/status" {
  capabilities = ["read"]
}

# For what watches the engine: how things stand, without any secret and without a call to Finicity.
path "finicity/status" {
  capabilities = ["read"]
}

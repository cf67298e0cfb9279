# The token that Terraform runs with. It can't delete: neither the configuration nor the mount, both of which have the only copy
# of the secret. Were prevent_destroy to be taken out of the files, Vault would still say no.
path "sys/plugins/catalog/secret/vault-plugin-secrets-finicity" {
  capabilities = ["create", "update", "read", "delete", "sudo"]
}

path "sys/mounts/finicity" {
  capabilities = ["create", "update", "read"]
}

path "sys/mounts/finicity/tune" {
  capabilities = ["create", "update"]
}

path "finicity/config" {
  capabilities = ["create", "update", "read"]
}

path "sys/policies/acl/finicity-*" {
  capabilities = ["create", "update", "read", "delete"]
}

# The provider works with a child of the token that lives 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}

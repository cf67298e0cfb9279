# The token that Terraform runs with. It can't delete: neither the configuration nor the mount, both of which have the only copy
# of the secret. Were prevent_destroy to be taken out of the files, Vault would still say no.
#
# That is for accidents. Whoever has this token on purpose can do harm: write wrong credentials over the right one, register another
# program, or put more into a policy that somebody has. Look after it as after a root token.
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

# By name, so that it can't change a policy of its own.
path "sys/policies/acl/finicity-reader" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-webhook" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-rotator" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-monitor" {
  capabilities = ["create", "update", "read", "delete"]
}

path "sys/policies/acl/finicity-operator" {
  capabilities = ["create", "update", "read", "delete"]
}

# The provider works with a child of the token that lives 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}

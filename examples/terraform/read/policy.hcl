# For the token that Terraform runs with, besides ../../policies/reader.hcl: the provider works with a child of that token, which
# lives 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}

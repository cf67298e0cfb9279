# For the token that Terraform uses, besides ../../policies/reader.hcl. The provider uses a child of that token with a TTL
# of 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}

# For the token that Terraform uses, in addition to ../../policies/reader.hcl. The
# provider uses a child token that lives for 20 minutes.
path "auth/token/create" {
  capabilities = ["update"]
}

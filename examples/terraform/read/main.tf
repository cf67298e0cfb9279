# Reads the shared token for what Terraform itself runs against Finicity's API. The token is in no state file and in no plan.
# This is a configuration of its own, for a team that has finicity-reader, and not a part of ../main.tf. Adjust the lines marked
# with EDIT.
#
# It needs Terraform 1.11, or OpenTofu 1.11, and version 5.8.0 of the provider, where the ephemeral resource is new.
#
# test/e2e/testdata/terraform_read.txtar runs it with OpenTofu and the stand-in for the provider: see README.md.
terraform {
  required_version = ">= 1.11"

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.8, < 6.0"
    }
  }
}

# VAULT_ADDR and VAULT_TOKEN in the environment, a token with finicity-reader and policy.hcl.
provider "vault" {}

# Not the data source of this name, which stores the token in the state file. Terraform reads in each plan, and again in an apply
# that needs the token. Each read of finicity/token would make a lease, so this is static-token.
ephemeral "vault_generic_secret" "finicity" {
  path = "finicity/static-token"
}

# EDIT: what needs the token. Terraform lets an ephemeral value into the configuration of a provider, into a provisioner and into
# write-only arguments, and into nothing that it stores. It does not print what such a command prints.
resource "terraform_data" "customers" {
  provisioner "local-exec" {
    command = "./app -calls=1" # of ../../app

    environment = {
      FINICITY_APP_KEY   = ephemeral.vault_generic_secret.finicity.data["app_key"]
      FINICITY_APP_TOKEN = ephemeral.vault_generic_secret.finicity.data["token"]
    }
  }
}

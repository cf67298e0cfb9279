# Reads the shared token for a Terraform run that calls Finicity's API. The token is in no state file and no plan. This
# configuration is separate from ../main.tf, for a team that has finicity-reader. Adjust the lines marked with EDIT.
#
# It needs Terraform 1.11, or OpenTofu 1.11, and version 5.8.0 of the provider, which introduced the ephemeral resource.
#
# test/e2e/testdata/terraform_read.txtar runs it with OpenTofu and a mock of the provider: see README.md.
terraform {
  required_version = ">= 1.11"

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.8, < 6.0"
    }
  }
}

# Set VAULT_ADDR and VAULT_TOKEN in the environment. The token needs finicity-reader and policy.hcl.
provider "vault" {}

# Do not use the data source with this name, which stores the token in the state file. Terraform reads in each plan, and
# again in an apply that needs the token. static-token creates no lease for these reads.
ephemeral "vault_generic_secret" "finicity" {
  path = "finicity/static-token"
}

# EDIT: replace this with what needs the token. Terraform allows an ephemeral value in the configuration of a provider, in
# a provisioner, and in write-only arguments, but in nothing that it stores. It hides the output of such a command.
resource "terraform_data" "customers" {
  provisioner "local-exec" {
    command = "./app -calls=1" # of ../../app

    environment = {
      FINICITY_APP_KEY   = ephemeral.vault_generic_secret.finicity.data["app_key"]
      FINICITY_APP_TOKEN = ephemeral.vault_generic_secret.finicity.data["token"]
    }
  }
}

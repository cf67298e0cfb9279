# Reads the shared token for commands that Terraform runs against Finicity's API. No
# state file and no plan contains the token. This is a separate configuration for a team
# with the policy finicity-reader, not a part of ../main.tf. Adjust the lines marked
# with EDIT.
#
# It needs Terraform 1.11 or OpenTofu 1.11, and version 5.8.0 of the provider, which
# introduced the ephemeral resource.
#
# test/e2e/testdata/terraform_read.txtar runs it with OpenTofu and a substitute for the
# provider: see README.md.
terraform {
  required_version = ">= 1.11"

  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.8, < 6.0"
    }
  }
}

# VAULT_ADDR and VAULT_TOKEN in the environment. The token needs finicity-reader and
# policy.hcl.
provider "vault" {}

# Do not use the data source of this name, which stores the token in the state file.
# Terraform reads in each plan, and again in an apply that needs the token. Each read of
# finicity/token would create a lease, so this uses finicity/static-token.
ephemeral "vault_generic_secret" "finicity" {
  path = "finicity/static-token"
}

# EDIT: the command that needs the token. Terraform accepts an ephemeral value in the
# configuration of a provider, in a provisioner and in write-only arguments. It never
# stores the value, and does not print the output of such a command.
resource "terraform_data" "customers" {
  provisioner "local-exec" {
    command = "./app -calls=1" # The app of ../../app.

    environment = {
      FINICITY_APP_KEY   = ephemeral.vault_generic_secret.finicity.data["app_key"]
      FINICITY_APP_TOKEN = ephemeral.vault_generic_secret.finicity.data["token"]
    }
  }
}

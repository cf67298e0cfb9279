# Replaces ../credential.tf, and stores the credential in no state file and no plan. Choose one of the two files before the
# first apply.
#
# It needs Terraform 1.11, or OpenTofu 1.11, and version 5.12.0 of the provider, which introduces data_json_wo. It was not
# released at the time of writing: set version = ">= 5.12.0, < 6.0" in main.tf. An older provider says that the argument is
# not supported, before it sends anything.
#
# NOT RUN with HashiCorp's provider: see main.tf. test/e2e/testdata/terraform_write_only.txtar runs it with a mock.
terraform {
  required_version = ">= 1.11"
}

variable "partner_id" {
  type = string
}

variable "partner_secret" {
  type      = string
  sensitive = true
  ephemeral = true
  default   = null
}

variable "app_key" {
  type      = string
  sensitive = true
  ephemeral = true
  default   = null
}

variable "base_url" {
  type    = string
  default = "https://api.finicity.com"
}

variable "credential_version" {
  description = "One more sends the credential again. Terraform compares this number, and notes it even if Vault refuses."
  type        = number
  default     = 1
}

resource "vault_generic_endpoint" "credential" {
  path = "${vault_mount.finicity.path}/config"

  data_json_wo = jsonencode({
    partner_id     = var.partner_id
    partner_secret = var.partner_secret
    app_key        = var.app_key
    base_url       = var.base_url
  })
  data_json_wo_version = var.credential_version

  disable_read   = true
  disable_delete = true

  lifecycle {
    # As in ../credential.tf: -replace would send the credential again.
    prevent_destroy = true
  }
}

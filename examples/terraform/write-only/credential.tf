# In the place of ../credential.tf: the credential is in no state file and in no plan. Which one it is to be is best decided
# before the first apply.
#
# It needs Terraform 1.11, or OpenTofu 1.11, and version 5.12.0 of the provider, where data_json_wo is new. That was not
# released when this was written: have main.tf ask for it (version = ">= 5.12.0, < 6.0"). An older one says that the argument
# is not supported, before anything is sent.
#
# NOT RUN with HashiCorp's provider: see main.tf. test/e2e/testdata/terraform_write_only.txtar runs it with the stand-in.
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
    # As in ../credential.tf: a resource made anew sends the credential again.
    prevent_destroy = true
  }
}

# Replaces ../credential.tf. No state file and no plan contains the credential. Choose
# between the two before the first apply.
#
# It needs Terraform 1.11 or OpenTofu 1.11, and version 5.12.0 of the provider, which
# introduces data_json_wo. That version was not released when this was written. In
# main.tf, require it with version = ">= 5.12.0, < 6.0". An older version reports that
# the argument is not supported, before it sends anything.
#
# NOT RUN with HashiCorp's provider: see main.tf.
# test/e2e/testdata/terraform_write_only.txtar runs it with a substitute.
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
  description = "Increase this number to send the credential again. Terraform records it even if Vault refuses the write."
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
    # As in ../credential.tf: a replaced resource would send the credential again.
    prevent_destroy = true
  }
}

# Registers the plugin, mounts the engine, configures it and writes the policies. README.md says in which order, what the
# state file holds, and what comes after a rotation. Adjust the lines marked with EDIT.
#
# test/e2e/testdata/terraform.txtar runs the files of this folder as they are with OpenTofu, a real Vault, and a stand-in for
# HashiCorp's provider that makes the same requests (tools/terraform-provider): the provider is published in the Terraform
# registry, and no recent release as a Go module. README.md says what was run once with the provider itself.
terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.0, < 6.0"
    }
  }
}

# VAULT_ADDR and VAULT_TOKEN in the environment; policy.hcl is all that the token needs.
provider "vault" {}

variable "plugin" {
  description = "The plugin as it lies in the plugin directory of every node: file name, reported version, checksum."
  type = object({
    command = string
    version = string
    sha256  = string
    # Like ["HTTPS_PROXY=http://proxy.internal:3128"]. It belongs to this version, and each one needs it.
    env = optional(list(string), [])
  })
}

variable "rotation_period" {
  description = "Seconds from one rotation to the next, 2592000 for 30 days. 0 until no app has the secret any more."
  type        = number
  default     = 0
}

resource "vault_plugin" "finicity" {
  type    = "secret"
  name    = "vault-plugin-secrets-finicity"
  command = var.plugin.command
  version = var.plugin.version
  sha256  = var.plugin.sha256
  env     = var.plugin.env

  lifecycle {
    # A new version is another entry of the catalog. The other way round the mount would have none for a while, and a
    # Vault that is unsealed just then does not get the engine to run.
    create_before_destroy = true
  }
}

resource "vault_mount" "finicity" {
  path        = "finicity" # EDIT, and the paths in the policies
  type        = vault_plugin.finicity.name
  description = "Tokens for Finicity"

  # Without it the mount keeps to the version it began with. It takes effect with the next reload.
  plugin_version = vault_plugin.finicity.version

  # Times and states in plain text in the audit log, where alarms look for them; everything else stays an HMAC.
  audit_non_hmac_response_keys = [
    "authentication", "expire_time", "issue_time", "last_vault_rotation", "next_vault_rotation", "partner_id",
  ]

  # EDIT: no token lives for longer than two hours. With less, agents read more often, which costs no authentication.
  max_lease_ttl_seconds = 2 * 3600

  lifecycle {
    # After a rotation the mount has the only copy of the secret. This line protects it as long as it stands here: with the
    # block gone, the next apply unmounts. To have Terraform forget the mount, `terraform state rm vault_mount.finicity` first.
    prevent_destroy = true
  }
}

# The credential is apart from what follows (credential.tf), because Terraform has to forget that one, and to look after this.
# A write of config leaves the fields alone that it does not name.
resource "vault_generic_endpoint" "settings" {
  depends_on = [vault_generic_endpoint.credential]
  path       = "${vault_mount.finicity.path}/config"

  # In the form in which they are read: "30s" comes back as a number of seconds, and would be a difference in each plan.
  # No base_url, ca_cert or partner_id: a new one needs the secret in the same write.
  data_json = jsonencode({
    request_timeout = 30 # EDIT
    rotation_period = var.rotation_period
  })

  ignore_absent_fields = true # The rest of what is read is no difference.
  disable_delete       = true # A delete of config is one of the credential too.
}

resource "vault_policy" "finicity" {
  for_each = toset(["reader", "webhook", "rotator", "monitor", "operator"]) # EDIT
  name     = "finicity-${each.key}"
  policy   = file("${path.module}/../policies/${each.key}.hcl")
}

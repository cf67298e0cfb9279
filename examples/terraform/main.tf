# Registers the plugin, mounts the engine, configures it and writes the policies. README.md says in which order, what the
# state file contains, and what to do after a rotation. Adjust the lines marked with EDIT.
#
# test/e2e/testdata/terraform.txtar runs the files of this folder unchanged, with OpenTofu, a real Vault, and a mock of
# HashiCorp's provider that sends the same requests (tools/terraform-provider), because no recent release of the provider
# is published as a Go module. README.md says what was run once with the provider itself.
terraform {
  required_providers {
    vault = {
      source  = "hashicorp/vault"
      version = ">= 5.0, < 6.0"
    }
  }
}

# Set VAULT_ADDR and VAULT_TOKEN in the environment. The token needs only policy.hcl.
provider "vault" {}

variable "plugin" {
  description = "The plugin as it lies in the plugin directory of every node: file name, reported version, checksum."
  type = object({
    command = string
    version = string
    sha256  = string
    # For example ["HTTPS_PROXY=http://proxy.internal:3128"]. It applies to this version only: set it for each version.
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
    # Register the new version before removing the old one. Otherwise the catalog has no version for a while, and a Vault
    # server that is unsealed meanwhile can't start the engine.
    create_before_destroy = true
  }
}

resource "vault_mount" "finicity" {
  path        = "finicity" # EDIT, and the paths in the policies
  type        = vault_plugin.finicity.name
  description = "Tokens for Finicity"

  # Without this, the mount keeps its first version. A new version takes effect with the next reload.
  plugin_version = vault_plugin.finicity.version

  # The audit log has these times and states in plain text, for alerts. Everything else stays an HMAC.
  audit_non_hmac_response_keys = [
    "authentication", "expire_time", "issue_time", "last_vault_rotation", "next_vault_rotation", "partner_id",
  ]

  # EDIT: a token is valid for at most two hours. With a shorter TTL, agents read more often, which costs no authentication.
  max_lease_ttl_seconds = 2 * 3600

  lifecycle {
    # After a rotation, the mount has the only copy of the secret. This line protects it only while the block exists: if you
    # delete the block, the next apply disables the mount. To make Terraform forget the mount, first type
    # `terraform state rm vault_mount.finicity`.
    prevent_destroy = true
  }
}

# The settings are separate from the credential (credential.tf), because Terraform must ignore changes of the credential,
# but manage the settings. A write of config does not change fields that it does not name.
resource "vault_generic_endpoint" "settings" {
  depends_on = [vault_generic_endpoint.credential]
  path       = "${vault_mount.finicity.path}/config"

  # Durations are numbers of seconds, as Vault returns them: "30s" would be a difference in each plan. Do not add base_url,
  # ca_cert or partner_id, because a new one needs the secret in the same write.
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

// SPDX-License-Identifier: MPL-2.0

package finicity

import (
	"maps"
	"time"

	"github.com/hashicorp/vault/sdk/framework"

	"vault-plugin-secrets-finicity/internal/engine"
	"vault-plugin-secrets-finicity/internal/finicityapi"
)

// Groups of the fields in Vault's web interface.
const (
	groupCredential   = "Credential"
	groupConnection   = "Connection"
	groupRotation     = "Rotation"
	groupDeletion     = "Deletion"
	groupVerification = "Verification"
	groupToken        = "Token"
	groupWebhook      = "Webhook"
)

// configFields are what a write takes.
func configFields() map[string]*framework.FieldSchema {
	fields := map[string]*framework.FieldSchema{
		"partner_secret": {
			Type:        framework.TypeString,
			Description: "The partner secret. Required on the first write, never returned.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "Partner secret", Group: groupCredential, Sensitive: true,
			},
		},
		"app_key": {
			Type:        framework.TypeString,
			Description: "The app key. Required on the first write, not returned here.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "App key", Group: groupCredential, Sensitive: true,
			},
		},
		"verify_connection": {
			Type:         framework.TypeBool,
			Default:      true,
			Description:  "Authenticate once with a credential before storing it. Not stored itself.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Verify the connection", Group: groupConnection},
		},
		"force": {
			Type:         framework.TypeBool,
			Query:        true,
			Description:  "On delete: delete although a rotation is unsettled, and with it what may be the only copy of the secret.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Force the deletion", Group: groupDeletion},
		},
	}
	maps.Copy(fields, configSettings())
	return fields
}

// configShown are what a read returns.
func configShown() map[string]*framework.FieldSchema {
	fields := configSettings()
	for name, description := range map[string]string{
		"last_vault_rotation": "When this engine last changed the secret, in RFC 3339. Null when it never did.",
		"next_vault_rotation": "When it is going to, by rotation_period or rotation_schedule. Null when it is not.",
	} {
		fields[name] = &framework.FieldSchema{Type: framework.TypeString, Description: description}
	}
	fields["rotation_pending"] = &framework.FieldSchema{
		Type:        framework.TypeBool,
		Description: "Whether a change of the secret got no answer, and is going to be settled.",
	}
	for _, field := range fields {
		field.Required, field.Default = true, nil
		if field.Type == framework.TypeDurationSecond { // Which is a text like 30s in OpenAPI. What is shown is a number.
			field.Type = framework.TypeInt64
			field.Description = "In seconds. " + field.Description
		}
	}
	return fields
}

// configSettings are both.
func configSettings() map[string]*framework.FieldSchema {
	return map[string]*framework.FieldSchema{
		"partner_id": {
			Type:         framework.TypeString,
			Description:  "The partner ID, from the Finicity developer portal. Required on the first write.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Partner ID", Group: groupCredential, Identifier: true},
		},
		"base_url": {
			Type:         framework.TypeString,
			Default:      finicityapi.DefaultBaseURL,
			Description:  "Address of the API. https only, but for a loopback host.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Base URL", Group: groupConnection},
		},
		"ca_cert": {
			Type:        framework.TypeString,
			Description: "PEM bundle that replaces the system's roots, for a proxy that inspects TLS.",
			DisplayAttrs: &framework.DisplayAttributes{
				Name: "CA certificates", Group: groupConnection, EditType: "file",
			},
		},
		"request_timeout": {
			Type:         framework.TypeDurationSecond,
			Default:      int(engine.DefaultRequestTimeout / time.Second),
			Description:  "Limit of one call, from connecting to the last byte: 1s to 2m.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Request timeout", Group: groupConnection},
		},
		"token_lifetime": {
			Type:         framework.TypeDurationSecond,
			Default:      int(engine.DefaultTokenLifetime / time.Second),
			Description:  "How long Finicity honours a token: 1m to 2h.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Token lifetime", Group: groupConnection},
		},
		"password_policy": {
			Type:         framework.TypeString,
			Description:  "Vault's password policy for new secrets. Without one they have 40 characters out of all that Finicity takes.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Password policy", Group: groupRotation},
		},
		"secret_grace_period": {
			Type:         framework.TypeBool,
			Description:  "Rotate so that the old secret stays valid at Finicity for 30 days too.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Grace period for the old secret", Group: groupRotation},
		},
		"rotation_period": {
			Type:         framework.TypeDurationSecond,
			Description:  "Rotate each time so much time has passed, at least 1m. Instead of rotation_schedule; 0 for none.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation period", Group: groupRotation},
		},
		"rotation_schedule": {
			Type:         framework.TypeString,
			Description:  "Rotate at these times: five fields of cron, in UTC. Instead of rotation_period; empty for none.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation schedule", Group: groupRotation},
		},
		"rotation_window": {
			Type:         framework.TypeDurationSecond,
			Description:  "How long after a time of rotation_schedule a rotation may begin, at least 1h. 0 for as long as it takes.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Rotation window", Group: groupRotation},
		},
		"disable_automated_rotation": {
			Type:         framework.TypeBool,
			Description:  "Rotate by hand only, and keep the schedule for later.",
			DisplayAttrs: &framework.DisplayAttributes{Name: "Disable automated rotation", Group: groupRotation},
		},
	}
}

const configHelp = `
The first write needs partner_id, partner_secret and app_key. Before a credential is stored, the engine authenticates
with it once, and stores nothing unless Finicity accepts it. A field that is left out keeps its value, and one that is
null in a patch gets its default.

    vault write finicity/config partner_id=… partner_secret=… app_key=…
    vault read finicity/token

A new base_url, ca_cert or partner_id needs partner_secret and app_key in the same write. After a rotation nobody knows
the secret but this engine: deleting the configuration, or the mount, destroys the only copy.

To have the secret rotated by itself, set rotation_period or rotation_schedule. When it is next is in the configuration:

    vault write finicity/config rotation_period=720h
    vault read -field=next_vault_rotation finicity/config
`

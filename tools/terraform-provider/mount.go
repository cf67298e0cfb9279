// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/vault/api"
)

// mount is vault_mount, vault/resource_mount.go: POST of sys/mounts/PATH, later POST of
// sys/mounts/PATH/tune. The version of the plugin is never read back, so a version that
// was set manually is not a difference.
func mount() *schema.Resource {
	seconds := func() *schema.Schema {
		return &schema.Schema{Type: schema.TypeInt, Optional: true, Computed: true}
	}
	return &schema.Resource{
		CreateContext: mountCreate,
		UpdateContext: mountUpdate,
		ReadContext:   mountRead,
		DeleteContext: func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
			return diag.FromErr(clientOf(meta).Sys().UnmountWithContext(ctx, d.Id()))
		},
		Schema: map[string]*schema.Schema{
			"path":                      text(true),
			"type":                      fixed(true),
			"description":               text(false),
			"default_lease_ttl_seconds": seconds(),
			"max_lease_ttl_seconds":     seconds(),
			"plugin_version":            text(false),
			"audit_non_hmac_response_keys": {
				Type: schema.TypeList, Optional: true, Computed: true, Elem: &schema.Schema{Type: schema.TypeString},
			},
			"accessor": {Type: schema.TypeString, Computed: true},
		},
	}
}

func mountCreate(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	err := clientOf(meta).Sys().MountWithContext(ctx, get(d, "path"), &api.MountInput{
		Type:        get(d, "type"),
		Description: get(d, "description"),
		Config: api.MountConfigInput{
			DefaultLeaseTTL: fmt.Sprintf("%ds", d.Get("default_lease_ttl_seconds")),
			MaxLeaseTTL:     fmt.Sprintf("%ds", d.Get("max_lease_ttl_seconds")),
			PluginVersion:   get(d, "plugin_version"),

			AuditNonHMACResponseKeys: list(d, "audit_non_hmac_response_keys"),
		},
		Options: map[string]string{},
	})
	if err != nil {
		return diag.Errorf("error writing to Vault: %s", err)
	}
	d.SetId(get(d, "path"))
	return mountRead(ctx, d, meta)
}

func mountUpdate(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	client := clientOf(meta)
	if d.HasChange("path") {
		if err := client.Sys().RemountWithContext(ctx, d.Id(), get(d, "path")); err != nil {
			return diag.Errorf("error remounting in Vault: %s", err)
		}
		d.SetId(get(d, "path"))
	}
	tuned := map[string]any{
		"default_lease_ttl": fmt.Sprintf("%ds", d.Get("default_lease_ttl_seconds")),
		"max_lease_ttl":     fmt.Sprintf("%ds", d.Get("max_lease_ttl_seconds")),
		"options":           map[string]string{},
	}
	for _, name := range []string{"description", "plugin_version"} {
		if d.HasChange(name) {
			tuned[name] = get(d, name)
		}
	}
	if d.HasChange("audit_non_hmac_response_keys") {
		tuned["audit_non_hmac_response_keys"] = list(d, "audit_non_hmac_response_keys")
	}
	// Not with the client's own method, which leaves out empty values.
	request := client.NewRequest(http.MethodPost, "/v1/sys/mounts/"+d.Id()+"/tune")
	if err := request.SetJSONBody(tuned); err != nil {
		return diag.FromErr(err)
	}
	answer, err := client.RawRequestWithContext(ctx, request) //nolint:staticcheck // As in the provider.
	if err != nil {
		return diag.Errorf("error updating Vault: %s", err)
	}
	_ = answer.Body.Close() // It is empty.
	return mountRead(ctx, d, meta)
}

func mountRead(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	found, err := clientOf(meta).Sys().GetMountWithContext(ctx, d.Id())
	if err != nil && strings.Contains(err.Error(), "No secret engine mount at") { // With status 400.
		d.SetId("")
		return nil
	}
	if err != nil {
		return diag.Errorf("error reading from Vault: %s", err)
	}
	set(d, map[string]any{
		"path":                      d.Id(),
		"type":                      found.Type,
		"description":               found.Description,
		"default_lease_ttl_seconds": found.Config.DefaultLeaseTTL,
		"max_lease_ttl_seconds":     found.Config.MaxLeaseTTL,
		"accessor":                  found.Accessor,

		"audit_non_hmac_response_keys": found.Config.AuditNonHMACResponseKeys,
	})
	return nil
}

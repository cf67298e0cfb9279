// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"net/http"

	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/vault/api"
)

// pluginInCatalog is vault_plugin, vault/resource_plugin.go: PUT of
// sys/plugins/catalog/TYPE/NAME. Another version is another entry of the catalog, and
// therefore another resource.
func pluginInCatalog() *schema.Resource {
	return &schema.Resource{
		CreateContext: pluginWrite,
		UpdateContext: pluginWrite,
		ReadContext:   pluginRead,
		DeleteContext: func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
			return diag.FromErr(clientOf(meta).Sys().DeregisterPluginWithContext(ctx, &api.DeregisterPluginInput{
				Type: pluginType(d), Name: get(d, "name"), Version: get(d, "version"),
			}))
		},
		Schema: map[string]*schema.Schema{
			"type":    fixed(true),
			"name":    fixed(true),
			"version": fixed(false),
			"sha256":  text(true),
			"command": text(true),
			// Never read back, because Vault does not show it.
			"env": {Type: schema.TypeList, Optional: true, Elem: &schema.Schema{Type: schema.TypeString}},
		},
	}
}

func pluginType(d *schema.ResourceData) api.PluginType {
	parsed, err := api.ParsePluginType(get(d, "type"))
	if err != nil {
		return api.PluginTypeUnknown // Vault reports it.
	}
	return parsed
}

func pluginWrite(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	name, version := get(d, "name"), get(d, "version")
	err := clientOf(meta).Sys().RegisterPluginWithContext(ctx, &api.RegisterPluginInput{
		Type: pluginType(d), Name: name, Version: version, SHA256: get(d, "sha256"), Command: get(d, "command"),
		Env: list(d, "env"),
	})
	if err != nil {
		return diag.Errorf("error updating plugin %q: %s", name, err)
	}
	d.SetId(get(d, "type") + "/version/" + version + "/name/" + name)
	return pluginRead(ctx, d, meta)
}

func pluginRead(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
	found, err := clientOf(meta).Sys().GetPluginWithContext(ctx, &api.GetPluginInput{
		Type: pluginType(d), Name: get(d, "name"), Version: get(d, "version"),
	})
	var refused *api.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound {
		d.SetId("")
		return nil
	}
	if err != nil {
		return diag.Errorf("error reading plugin %q: %s", d.Id(), err)
	}
	set(d, map[string]any{"sha256": found.SHA256, "command": found.Command})
	return nil
}

// policy is vault_policy, vault/resource_policy.go: PUT of sys/policies/acl/NAME.
func policy() *schema.Resource {
	read := func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		found, err := clientOf(meta).Sys().GetPolicyWithContext(ctx, d.Id())
		if err != nil {
			return diag.Errorf("error reading from Vault: %s", err)
		}
		set(d, map[string]any{"name": d.Id(), "policy": found})
		return nil
	}
	write := func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
		if err := clientOf(meta).Sys().PutPolicyWithContext(ctx, get(d, "name"), get(d, "policy")); err != nil {
			return diag.Errorf("error writing to Vault: %s", err)
		}
		d.SetId(get(d, "name"))
		return read(ctx, d, meta)
	}
	return &schema.Resource{
		CreateContext: write,
		UpdateContext: write,
		ReadContext:   read,
		DeleteContext: func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
			return diag.FromErr(clientOf(meta).Sys().DeletePolicyWithContext(ctx, d.Id()))
		},
		Schema: map[string]*schema.Schema{"name": fixed(true), "policy": text(true)},
	}
}

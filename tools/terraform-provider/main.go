// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-vault replaces HashiCorp's Vault provider in the test of
// examples/terraform, because no recent release of that provider is published as a Go
// module. Terraform's own part is real: what it plans, ignores, prevents and writes to
// the state.
//
// This program has the resources of the example, and makes the same requests for them
// as the provider, according to its source (hashicorp/terraform-provider-vault, commit
// 0497ec7ed867, the future 5.12.0; each resource names its file there). Like the
// provider, it is built on version 2 of the plugin SDK, so that plans are made in the
// same way, and on Vault's own client.
//
// It supports only the arguments that the example uses, so that any other is an error,
// and logs in only with VAULT_TOKEN.
//
// It is a separate module because neither the plugin nor OpenTofu may get its
// dependencies.
package main

import (
	"context"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
	"github.com/hashicorp/terraform-plugin-sdk/v2/plugin"
	"github.com/hashicorp/vault/api"
)

func main() {
	plugin.Serve(&plugin.ServeOpts{GRPCProviderFunc: func() tfprotov5.ProviderServer {
		p := provider()
		return server{ProviderServer: schema.NewGRPCProviderServer(p), provider: p}
	}})
}

func provider() *schema.Provider {
	return &schema.Provider{
		ConfigureContextFunc: func(ctx context.Context, _ *schema.ResourceData) (any, diag.Diagnostics) {
			client, err := login(ctx)
			return client, diag.FromErr(err)
		},
		DataSourcesMap: map[string]*schema.Resource{"vault_generic_secret": genericSecretData()},
		ResourcesMap: map[string]*schema.Resource{
			"vault_generic_endpoint": endpoint(),
			"vault_mount":            mount(),
			"vault_plugin":           pluginInCatalog(),
			"vault_policy":           policy(),
		},
	}
}

// login creates a child of VAULT_TOKEN that lives for 20 minutes, as the provider does.
// So Terraform's token needs the permission to do that.
func login(ctx context.Context) (*api.Client, error) {
	client, err := api.NewClient(api.DefaultConfig()) // VAULT_ADDR and VAULT_TOKEN.
	if err != nil {
		return nil, err
	}
	child, err := client.Auth().Token().CreateWithContext(ctx, &api.TokenCreateRequest{
		DisplayName: "terraform", TTL: "20m", ExplicitMaxTTL: "20m", Renewable: new(bool),
	})
	if err != nil {
		return nil, err
	}
	client.SetToken(child.Auth.ClientToken)
	return client, nil
}

func text(required bool) *schema.Schema {
	return &schema.Schema{Type: schema.TypeString, Required: required, Optional: !required}
}

// fixed is a text that can change only by a new resource, after the old one was
// deleted.
func fixed(required bool) *schema.Schema {
	s := text(required)
	s.ForceNew = true
	return s
}

func flag() *schema.Schema {
	return &schema.Schema{Type: schema.TypeBool, Optional: true, Default: false}
}

func get(d *schema.ResourceData, name string) string {
	value, _ := d.Get(name).(string)
	return value
}

func list(d *schema.ResourceData, name string) []string {
	listed, _ := d.Get(name).([]any)
	var texts []string
	for _, item := range listed {
		text, _ := item.(string)
		texts = append(texts, text)
	}
	return texts
}

func has(d *schema.ResourceData, name string) bool {
	value, _ := d.Get(name).(bool)
	return value
}

// clientOf returns the client that the provider was configured with.
func clientOf(meta any) *api.Client {
	client, ok := meta.(*api.Client)
	if !ok {
		panic("the provider is not configured")
	}
	return client
}

// set is for schemas that have each of the names. Any other name is an error of this
// program.
func set(d *schema.ResourceData, values map[string]any) {
	for name, value := range values {
		if err := d.Set(name, value); err != nil {
			panic(err)
		}
	}
}

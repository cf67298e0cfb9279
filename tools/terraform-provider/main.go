// SPDX-License-Identifier: MPL-2.0

// Command terraform-provider-vault stands in for HashiCorp's Vault provider in the test of examples/terraform, since
// no recent release of that is published as a Go module. Terraform's own part in it is real: what is planned, ignored,
// prevented and written to the state. This program knows the resources that the example has, and makes the requests
// for them that the provider makes, as told by its source (hashicorp/terraform-provider-vault, commit 0497ec7ed867, which
// is to be 5.12.0; each resource names its file there). Like the provider it is built on version 2 of the plugin SDK, so
// that plans come about in the same way, and on Vault's own client.
//
// It knows no arguments but those that the example uses, so that another one is an error, and has no way to log in but
// VAULT_TOKEN.
//
// It is a module of its own because neither the plugin nor OpenTofu may get its dependencies.
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

// login makes a child of VAULT_TOKEN with 20 minutes to live, as the provider does, so that a token of Terraform's needs the
// right to.
func login(ctx context.Context) (*api.Client, error) {
	client, err := api.NewClient(api.DefaultConfig()) // VAULT_ADDR and VAULT_TOKEN
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

// fixed is a text that another one takes the place of by a new resource, after the old one was deleted.
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

// clientOf is what the provider was configured with.
func clientOf(meta any) *api.Client {
	client, ok := meta.(*api.Client)
	if !ok {
		panic("the provider is not configured")
	}
	return client
}

// set is for schemas in which each of the names is there, so that an error is one of this program.
func set(d *schema.ResourceData, values map[string]any) {
	for name, value := range values {
		if err := d.Set(name, value); err != nil {
			panic(err)
		}
	}
}

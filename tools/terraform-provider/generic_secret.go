// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
	"github.com/hashicorp/terraform-plugin-sdk/v2/diag"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"
)

// genericSecretData is the data source vault_generic_secret,
// vault/data_source_generic_secret.go: GET of path. Its result is stored in the state.
func genericSecretData() *schema.Resource {
	return &schema.Resource{
		ReadContext: func(ctx context.Context, d *schema.ResourceData, meta any) diag.Diagnostics {
			data, err := genericSecret(ctx, meta, get(d, "path"))
			if err != nil {
				return diag.FromErr(err)
			}
			d.SetId(get(d, "path"))
			set(d, map[string]any{"data": data})
			return nil
		},
		Schema: map[string]*schema.Schema{
			"path": text(true),
			"data": {
				Type: schema.TypeMap, Computed: true, Sensitive: true, Elem: &schema.Schema{Type: schema.TypeString},
			},
		},
	}
}

// genericSecret reads a path. Values that are not text are encoded as JSON.
func genericSecret(ctx context.Context, meta any, path string) (map[string]string, error) {
	answer, err := clientOf(meta).Logical().ReadWithContext(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("error reading from Vault: %w", err)
	}
	if answer == nil {
		return nil, fmt.Errorf("no secret found at %q", path)
	}
	data := map[string]string{}
	for name, value := range answer.Data {
		if text, ok := value.(string); ok {
			data[name] = text
			continue
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		data[name] = string(encoded)
	}
	return data, nil
}

// server adds the ephemeral resource vault_generic_secret,
// internal/vault/secrets/ephemeral/generic_secret.go in 5.11.0: GET of path when it is
// opened, and no request afterwards. Version 2 of the plugin SDK has no ephemeral
// resources, so this uses the protocol below it.
type server struct {
	tfprotov5.ProviderServer

	provider *schema.Provider
}

const ephemeralSecret = "vault_generic_secret"

func (s server) GetMetadata(ctx context.Context, req *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	resp, err := s.ProviderServer.GetMetadata(ctx, req)
	if err == nil {
		resp.EphemeralResources = append(resp.EphemeralResources, tfprotov5.EphemeralResourceMetadata{TypeName: ephemeralSecret})
	}
	return resp, err
}

func (s server) GetProviderSchema(ctx context.Context, req *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	resp, err := s.ProviderServer.GetProviderSchema(ctx, req)
	if err == nil {
		resp.EphemeralResourceSchemas[ephemeralSecret] = &tfprotov5.Schema{Block: &tfprotov5.SchemaBlock{
			Attributes: []*tfprotov5.SchemaAttribute{
				{Name: "path", Type: tftypes.String, Required: true},
				{Name: "data", Type: tftypes.Map{ElementType: tftypes.String}, Computed: true, Sensitive: true},
			},
		}}
	}
	return resp, err
}

func (server) ValidateEphemeralResourceConfig(context.Context, *tfprotov5.ValidateEphemeralResourceConfigRequest) (*tfprotov5.ValidateEphemeralResourceConfigResponse, error) {
	return &tfprotov5.ValidateEphemeralResourceConfigResponse{}, nil
}

func (s server) OpenEphemeralResource(ctx context.Context, req *tfprotov5.OpenEphemeralResourceRequest) (*tfprotov5.OpenEphemeralResourceResponse, error) {
	result, err := s.open(ctx, req.Config)
	if err != nil {
		return &tfprotov5.OpenEphemeralResourceResponse{Diagnostics: []*tfprotov5.Diagnostic{{
			Severity: tfprotov5.DiagnosticSeverityError, Summary: err.Error(),
		}}}, nil
	}
	return &tfprotov5.OpenEphemeralResourceResponse{Result: result}, nil
}

func (s server) open(ctx context.Context, config *tfprotov5.DynamicValue) (*tfprotov5.DynamicValue, error) {
	texts := tftypes.Map{ElementType: tftypes.String}
	object := tftypes.Object{AttributeTypes: map[string]tftypes.Type{"path": tftypes.String, "data": texts}}
	given, err := config.Unmarshal(object)
	if err != nil {
		return nil, err
	}
	attributes := map[string]tftypes.Value{}
	if err := given.As(&attributes); err != nil {
		return nil, err
	}
	var path string
	if err := attributes["path"].As(&path); err != nil {
		return nil, err
	}
	read, err := genericSecret(ctx, s.provider.Meta(), path)
	if err != nil {
		return nil, err
	}
	values := map[string]tftypes.Value{}
	for name, value := range read {
		values[name] = tftypes.NewValue(tftypes.String, value)
	}
	attributes["data"] = tftypes.NewValue(texts, values)
	result, err := tfprotov5.NewDynamicValue(object, tftypes.NewValue(object, attributes))
	return &result, err
}

func (server) CloseEphemeralResource(context.Context, *tfprotov5.CloseEphemeralResourceRequest) (*tfprotov5.CloseEphemeralResourceResponse, error) {
	return &tfprotov5.CloseEphemeralResourceResponse{}, nil
}

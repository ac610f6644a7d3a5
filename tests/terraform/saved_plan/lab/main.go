// A provider for plans with every kind of attribute and block, an identity and an action. It keeps nothing.
package main

import (
	"context"
	"math/big"

	"github.com/hashicorp/terraform-plugin-framework/action"
	actionschema "github.com/hashicorp/terraform-plugin-framework/action/schema"
	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/path"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/identityschema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/types"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

type lab struct{}

func (lab) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "lab"
}
func (lab) Schema(context.Context, provider.SchemaRequest, *provider.SchemaResponse)          {}
func (lab) Configure(context.Context, provider.ConfigureRequest, *provider.ConfigureResponse) {}
func (lab) DataSources(context.Context) []func() datasource.DataSource                        { return nil }
func (lab) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{func() resource.Resource { return thing{} }}
}
func (lab) Actions(context.Context) []func() action.Action {
	return []func() action.Action{func() action.Action { return call{} }}
}

type call struct{}

func (call) Metadata(_ context.Context, _ action.MetadataRequest, r *action.MetadataResponse) {
	r.TypeName = "lab_call"
}
func (call) Schema(_ context.Context, _ action.SchemaRequest, r *action.SchemaResponse) {
	r.Schema = actionschema.Schema{Attributes: map[string]actionschema.Attribute{
		"url":      actionschema.StringAttribute{Required: true},
		"count_of": actionschema.NumberAttribute{Optional: true},
		"parts":    actionschema.SetAttribute{Optional: true, ElementType: types.StringType},
	}}
}
func (call) Invoke(context.Context, action.InvokeRequest, *action.InvokeResponse) {}

type thing struct{}

func (thing) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "lab_thing"
}
func (thing) IdentitySchema(_ context.Context, _ resource.IdentitySchemaRequest, r *resource.IdentitySchemaResponse) {
	r.IdentitySchema = identityschema.Schema{Attributes: map[string]identityschema.Attribute{
		"region": identityschema.StringAttribute{RequiredForImport: true},
		"number": identityschema.Int64Attribute{OptionalForImport: true},
	}}
}
func (thing) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	nested := map[string]schema.Attribute{
		"name":   schema.StringAttribute{Required: true},
		"size":   schema.Int64Attribute{Optional: true},
		"hidden": schema.StringAttribute{Optional: true, Sensitive: true},
		"note":   schema.StringAttribute{Computed: true},
	}
	plain := map[string]schema.Attribute{
		"port": schema.Int64Attribute{Optional: true},
		"cidr": schema.StringAttribute{Optional: true},
	}
	secret := map[string]schema.Attribute{
		"port":   schema.Int64Attribute{Optional: true},
		"secret": schema.StringAttribute{Optional: true, Sensitive: true},
	}
	r.Schema = schema.Schema{
		Version: 3,
		Attributes: map[string]schema.Attribute{
			"id":       schema.StringAttribute{Computed: true},
			"number":   schema.NumberAttribute{Optional: true},
			"whole":    schema.Int64Attribute{Optional: true},
			"float":    schema.Float64Attribute{Optional: true},
			"truth":    schema.BoolAttribute{Optional: true},
			"digits":   schema.StringAttribute{Optional: true},
			"password": schema.StringAttribute{Optional: true, Sensitive: true},
			"once":     schema.StringAttribute{Optional: true, WriteOnly: true},
			"tags":     schema.MapAttribute{Optional: true, ElementType: types.StringType},
			"secrets":  schema.MapAttribute{Optional: true, Sensitive: true, ElementType: types.StringType},
			"names":    schema.SetAttribute{Optional: true, ElementType: types.StringType},
			"numbers":  schema.SetAttribute{Optional: true, ElementType: types.NumberType},
			"later":    schema.SetAttribute{Computed: true, ElementType: types.StringType},
			"after":    schema.MapAttribute{Computed: true, ElementType: types.StringType},
			"seen":     schema.NumberAttribute{Computed: true},
			"any":      schema.DynamicAttribute{Optional: true},
			"drifts":   schema.BoolAttribute{Optional: true},
			"set":      schema.SetNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{Attributes: nested}},
			"list":     schema.ListNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{Attributes: nested}},
			"map":      schema.MapNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{Attributes: nested}},
			"one":      schema.SingleNestedAttribute{Optional: true, Attributes: nested},
		},
		Blocks: map[string]schema.Block{
			"rule":   schema.SetNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: plain}},
			"guard":  schema.SetNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: secret}},
			"step":   schema.ListNestedBlock{NestedObject: schema.NestedBlockObject{Attributes: secret}},
			"single": schema.SingleNestedBlock{Attributes: plain},
		},
	}
}

func filled(raw tftypes.Value) tftypes.Value {
	out, err := tftypes.Transform(raw, func(_ *tftypes.AttributePath, v tftypes.Value) (tftypes.Value, error) {
		if v.IsKnown() {
			return v, nil
		}
		switch {
		case v.Type().Is(tftypes.String):
			return tftypes.NewValue(tftypes.String, "made"), nil
		case v.Type().Is(tftypes.Number):
			f, _, _ := big.ParseFloat("98765432109876543210.125", 10, 512, big.ToNearestEven)
			return tftypes.NewValue(tftypes.Number, f), nil
		}
		return tftypes.NewValue(v.Type(), nil), nil
	})
	if err != nil {
		panic(err)
	}
	return out
}

func (thing) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	r.State.Raw = filled(q.Plan.Raw)
	r.Diagnostics.Append(r.Identity.SetAttribute(ctx, path.Root("region"), "eu")...)
	r.Diagnostics.Append(r.Identity.SetAttribute(ctx, path.Root("number"), int64(7))...)
}
func (thing) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var drifts types.Bool
	q.State.GetAttribute(ctx, path.Root("drifts"), &drifts)
	if drifts.ValueBool() {
		r.State.SetAttribute(ctx, path.Root("whole"), int64(99))
		r.State.SetAttribute(ctx, path.Root("names"), []string{"z", "drifted"})
	}
	r.Diagnostics.Append(r.Identity.SetAttribute(ctx, path.Root("region"), "eu")...)
	r.Diagnostics.Append(r.Identity.SetAttribute(ctx, path.Root("number"), int64(7))...)
}
func (thing) Update(_ context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	r.State.Raw = filled(q.Plan.Raw)
}
func (thing) Delete(context.Context, resource.DeleteRequest, *resource.DeleteResponse) {}
func (thing) ImportState(ctx context.Context, q resource.ImportStateRequest, r *resource.ImportStateResponse) {
	r.State.SetAttribute(ctx, path.Root("id"), "imported")
}

func main() {
	providerserver.Serve(context.Background(), func() provider.Provider { return lab{} }, providerserver.ServeOpts{Address: "example.com/lab/lab"})
}

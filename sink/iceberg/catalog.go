package iceberg

import (
	"context"
	"fmt"
	"maps"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	"github.com/apache/iceberg-go/io"
	_ "github.com/apache/iceberg-go/io/gocloud/s3" // reads and writes s3://

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
)

// REST is a catalog that speaks the REST protocol of Iceberg. URI is needed. Fields of the store that are empty are those that the catalog sends, or those of the environment and the
// shared files of AWS.
type REST struct {
	// URI is the address of the catalog, "https://catalog.example/api", and Warehouse names one of its warehouses.
	URI, Warehouse string
	// ClientID and Secret are credentials for OAuth2, and Token is a token in their place.
	ClientID      string
	Secret, Token secret.String
	// S3Endpoint is the address of a store other than AWS, and S3Region the region of the bucket.
	S3Endpoint, S3Region string
	// S3AccessKey and S3SecretKey are credentials of the store.
	S3AccessKey string
	S3SecretKey secret.String
	// Properties are more properties of the catalog and its store, by their names in Iceberg: "scope", "oauth2-server-uri", "s3.proxy-uri".
	Properties map[string]string
}

// Open connects to the catalog: see [Options].Catalog.
func (r REST) Open(ctx context.Context) (catalog.Catalog, error) {
	if r.URI == "" {
		return nil, fmt.Errorf("%w: the URI of the catalog is missing", weir.ErrConfiguration)
	}
	if (r.S3AccessKey == "") != (r.S3SecretKey.Reveal() == "") {
		return nil, fmt.Errorf("%w: S3AccessKey and S3SecretKey are needed together", weir.ErrConfiguration)
	}
	properties := client.Properties{}
	maps.Copy(properties, r.Properties)
	for name, value := range map[string]string{
		io.S3EndpointURL: r.S3Endpoint, io.S3Region: r.S3Region, io.S3AccessKeyID: r.S3AccessKey, io.S3SecretAccessKey: r.S3SecretKey.Reveal(),
	} {
		if value != "" {
			properties[name] = value
		}
	}
	options := []rest.Option{rest.WithWarehouseLocation(r.Warehouse), rest.WithAdditionalProps(properties)}
	if token := r.Token.Reveal(); token != "" {
		options = append(options, rest.WithOAuthToken(token))
	} else if r.ClientID != "" || r.Secret.Reveal() != "" {
		options = append(options, rest.WithCredential(r.ClientID+":"+r.Secret.Reveal()))
	}
	c, err := rest.NewCatalog(ctx, "weir", r.URI, options...)
	if err != nil {
		return nil, err
	}
	return c, nil
}

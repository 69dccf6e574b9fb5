// Package gcs reaches buckets of Google Cloud Storage.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"gocloud.dev/gcp"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/secret"
)

// Bucket names a bucket and says how to reach it. Name is needed. Without ServiceAccountKey the credentials are those of the environment:
// GOOGLE_APPLICATION_CREDENTIALS, the login of the command line tool, or the service account of the machine.
type Bucket struct {
	// Name is that of the bucket, which has to exist.
	Name string
	// Prefix is the folder of everything that is written or read, with slashes between nested folders and none at its ends. Empty means the
	// bucket as a whole.
	Prefix string
	// ServiceAccountKey is the JSON text of a key of a service account.
	ServiceAccountKey secret.String
	// Anonymous makes calls without credentials: to a bucket that everybody may use, or to an emulator.
	Anonymous bool
	// Endpoint is the address of another service than that of Google: "http://127.0.0.1:4443".
	Endpoint string
	// Timeout bounds a call, and the wait for the next bytes of content. A call with content has a second more for each 512 KiB. 0 means 30 s.
	Timeout time.Duration
	// Retry is for calls that fail because the store cannot answer: no connection, throttling (429), 500, 503. When its attempts are used
	// up, a sink holds the input back and goes on trying. If is not used.
	Retry weir.Retry
}

// Open returns the bucket for a sink or a source.
func (b Bucket) Open() *objects.Bucket {
	return objects.New(objects.Store{
		Open: b.open, Fault: fault, Version: version,
		Permissions: map[objects.Call]string{
			objects.Upload: "storage.objects.create and storage.objects.delete", objects.Copy: "storage.objects.get, create and delete",
			objects.Delete: "storage.objects.delete", objects.Read: "storage.objects.get", objects.List: "storage.objects.list",
		},
	}, objects.Settings{
		URL: "gs://" + b.Name, Prefix: b.Prefix, Timeout: b.Timeout, Retry: b.Retry, Secrets: []secret.String{b.ServiceAccountKey},
	})
}

func (b Bucket) open(ctx context.Context, calls *http.Client) (*blob.Bucket, error) {
	var errs []error
	if b.Name == "" {
		errs = append(errs, errors.New("the name of the bucket is missing"))
	}
	if b.Anonymous && !b.ServiceAccountKey.IsZero() {
		errs = append(errs, errors.New("only one of Anonymous and ServiceAccountKey can be set"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	client, err := b.client(ctx, calls)
	if err != nil {
		return nil, err
	}
	// The client of HTTP has the credentials: others are not looked for.
	o := &gcsblob.Options{ClientOptions: []option.ClientOption{option.WithoutAuthentication(), storage.WithJSONReads()}}
	if b.Endpoint != "" {
		o.ClientOptions = append(o.ClientOptions, option.WithEndpoint(strings.TrimSuffix(b.Endpoint, "/")+"/storage/v1/"))
	}
	bucket, err := gcsblob.OpenBucket(ctx, client, b.Name, o)
	if err != nil {
		return nil, err
	}
	var service *storage.Client
	if !bucket.As(&service) {
		return nil, errors.New("the bucket has no client")
	}
	service.SetRetry(storage.WithPolicy(storage.RetryNever)) // Retry says how often
	return bucket, nil
}

// client returns a client of HTTP that signs calls.
func (b Bucket) client(ctx context.Context, calls *http.Client) (*gcp.HTTPClient, error) {
	if b.Anonymous {
		return gcp.NewAnonymousHTTPClient(calls.Transport), nil
	}
	// Tokens are asked for as long as the bucket is open, and not only while it is opened.
	ctx = context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, calls)
	if b.ServiceAccountKey.IsZero() {
		found, err := google.FindDefaultCredentials(ctx, storage.ScopeReadWrite)
		if err != nil {
			return nil, err
		}
		return gcp.NewHTTPClient(calls.Transport, found.TokenSource)
	}
	account, err := google.JWTConfigFromJSON([]byte(b.ServiceAccountKey.Reveal()), storage.ScopeReadWrite)
	if err != nil {
		return nil, fmt.Errorf("the key of the service account: %w", err)
	}
	return gcp.NewHTTPClient(calls.Transport, account.TokenSource(ctx))
}

func fault(err error) (f objects.Fault, ok bool) {
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refused.Response != nil { // no token, and so no call
		status := refused.Response.StatusCode
		if status == http.StatusBadRequest || status == http.StatusNotFound {
			status = http.StatusUnauthorized
		}
		return objects.Fault{Status: status, Code: refused.ErrorCode, Message: "the credentials get no token: " + refused.ErrorDescription}, true
	}
	answer, ok := errors.AsType[*googleapi.Error](err)
	if !ok {
		return f, false
	}
	f = objects.Fault{Status: answer.Code, Message: answer.Message}
	if len(answer.Errors) > 0 {
		f.Code = answer.Errors[0].Reason
	}
	if f.Status == http.StatusNotFound && strings.Contains(f.Message, "bucket does not exist") {
		f.Code = "NoSuchBucket"
	}
	return f, true
}

// version returns the generation of an object.
func version(as func(any) bool) string {
	var attributes storage.ObjectAttrs
	var reader *storage.Reader
	switch {
	case as(&attributes):
		return strconv.FormatInt(attributes.Generation, 10)
	case as(&reader):
		return strconv.FormatInt(reader.Attrs.Generation, 10)
	}
	return ""
}

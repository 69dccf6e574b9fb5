// Package s3 reaches buckets of Amazon S3, and of services that speak its API.
package s3

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/secret"
)

// Bucket names a bucket and says how to reach it. Name is needed. Region, credentials and all that is not set here come from the environment and the
// shared files of AWS (AWS_REGION, AWS_PROFILE, ~/.aws, the role of the machine, and so on).
type Bucket struct {
	// Name is that of the bucket, which has to exist.
	Name string
	// Prefix is the folder of everything that is written or read, with slashes between nested folders and none at its ends. Empty means the
	// bucket as a whole.
	Prefix string
	// Region is that of the bucket.
	Region string
	// Endpoint is the address of a service other than AWS: "http://127.0.0.1:9000". PathStyle puts the name of the bucket behind it, and not in front
	// of its host.
	Endpoint  string
	PathStyle bool
	// AccessKey, SecretKey and SessionToken are credentials.
	AccessKey    string
	SecretKey    secret.String
	SessionToken secret.String
	// KMSKey encrypts objects by a key of AWS KMS: its ID or ARN. Without it the bucket decides.
	KMSKey string
	// Timeout bounds a call, and the wait for the next bytes of content. A call with content has a second more for each 512 KiB. 0 means 30 s.
	Timeout time.Duration
	// Retry is for calls that fail because the store cannot answer: no connection, throttling (429, 503 SlowDown), 500. When its attempts are used
	// up, a sink holds the input back and goes on trying. If is not used.
	Retry weir.Retry
}

// Open returns the bucket for a sink or a source.
func (b Bucket) Open() *objects.Bucket {
	return objects.New(objects.Store{
		Open: b.open, Fault: fault, Version: version,
		Permissions: map[objects.Call]string{
			objects.Upload: "s3:PutObject", objects.Copy: "s3:GetObject and s3:PutObject", objects.Delete: "s3:DeleteObject",
			objects.Read: "s3:GetObject", objects.List: "s3:ListBucket",
		},
	}, objects.Settings{
		URL: "s3://" + b.Name, Prefix: b.Prefix, Timeout: b.Timeout, Retry: b.Retry,
		Secrets: []secret.String{b.SecretKey, b.SessionToken},
	})
}

func (b Bucket) open(ctx context.Context, calls *http.Client) (*blob.Bucket, error) {
	var errs []error
	if b.Name == "" {
		errs = append(errs, errors.New("the name of the bucket is missing"))
	}
	if (b.AccessKey == "") != b.SecretKey.IsZero() {
		errs = append(errs, errors.New("AccessKey and SecretKey belong together: one of them is missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }), // Retry says how often
	}
	if b.Region != "" {
		options = append(options, config.WithRegion(b.Region))
	}
	if b.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(b.AccessKey, b.SecretKey.Reveal(), b.SessionToken.Reveal())))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	if c.Region == "" {
		if b.Endpoint == "" {
			return nil, errors.New("the region is not known: set Region or AWS_REGION")
		}
		c.Region = "us-east-1" // which services other than AWS take
	}
	if own, ok := c.HTTPClient.(*awshttp.BuildableClient); ok { // with the certificates of AWS_CA_BUNDLE
		calls.Transport = objects.Transport(own.GetTransport())
	}
	client := s3.NewFromConfig(c, func(o *s3.Options) {
		o.HTTPClient, o.DisableLogOutputChecksumValidationSkipped = calls, true
		o.UsePathStyle = b.PathStyle
		if b.Endpoint != "" {
			o.BaseEndpoint = aws.String(b.Endpoint)
		}
	})
	o := &s3blob.Options{RequestChecksumCalculation: c.RequestChecksumCalculation}
	if b.KMSKey != "" {
		o.EncryptionType, o.KMSEncryptionID = types.ServerSideEncryptionAwsKms, b.KMSKey
	}
	return s3blob.OpenBucket(ctx, client, b.Name, o)
}

func fault(err error) (f objects.Fault, ok bool) {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || response.Response == nil || response.HTTPStatusCode() == 0 { // a call that got no answer
		return f, false
	}
	f.Status = response.HTTPStatusCode()
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		f.Code, f.Message = api.ErrorCode(), api.ErrorMessage()
	}
	return f, true
}

func version(as func(any) bool) string {
	var head s3.HeadObjectOutput
	var get s3.GetObjectOutput
	switch {
	case as(&head):
		return aws.ToString(head.ETag)
	case as(&get):
		return aws.ToString(get.ETag)
	}
	return ""
}

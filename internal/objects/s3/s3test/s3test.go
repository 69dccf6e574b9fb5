// Package s3test makes buckets on the server of the variable WEIR_TEST_S3.
package s3test

import (
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3"
	"github.com/weirstreams/weir/secret"
)

// Secret is the secret key of the users weir and reader. The second one may only read.
const Secret = "weir-s3-secret"

// Address returns the address of the server. It skips the test if there is none.
func Address(tb testing.TB) string {
	tb.Helper()
	address := os.Getenv("WEIR_TEST_S3")
	if address == "" {
		tb.Skip("no server: run the test by go run github.com/weirstreams/weir/internal/testserver seaweedfs -- go test ...")
	}
	return address
}

// New makes a bucket, which is removed with the server.
func New(tb testing.TB) s3.Bucket {
	tb.Helper()
	b := Named(Address(tb), "weir-"+strings.ToLower(rand.Text()[:12]))
	if _, err := Client(b).CreateBucket(tb.Context(), &awss3.CreateBucketInput{Bucket: aws.String(b.Name)}); err != nil {
		tb.Fatal(err)
	}
	return b
}

// Named returns a bucket of a server at an address.
func Named(address, name string) s3.Bucket {
	return s3.Bucket{
		Name: name, Endpoint: address, PathStyle: true, Region: "us-east-1", AccessKey: "weir", SecretKey: secret.New(Secret),
		Timeout: 20 * time.Second, Retry: weir.Retry{Attempts: 3, FirstWait: 20 * time.Millisecond},
	}
}

// Client returns a bare client.
func Client(b s3.Bucket) *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(b.Endpoint), UsePathStyle: true, Region: b.Region,
		Credentials: credentials.NewStaticCredentialsProvider(b.AccessKey, b.SecretKey.Reveal(), ""),
	})
}

// Store returns a new bucket for objecttest, without Sink and Source.
func Store(tb testing.TB) (store *objecttest.Store, at func(prefix string) s3.Bucket, wrong s3.Bucket) {
	tb.Helper()
	direct := New(tb)
	gate := gatetest.New(tb, direct.Endpoint)
	at = func(prefix string) s3.Bucket {
		b := direct
		b.Endpoint, b.Prefix = gate.URL, prefix
		return b
	}
	wrong = at("")
	wrong.SecretKey = secret.New("another-s3-secret")
	store = &objecttest.Store{
		Gate: gate, Name: "s3://" + direct.Name, Secrets: []string{Secret, "another-s3-secret"},
		Slow: gatetest.Refuse(http.StatusServiceUnavailable, "SlowDown"), Denied: gatetest.Refuse(http.StatusForbidden, "AccessDenied"),
	}
	store.Open = func(prefix string) *objects.Bucket {
		b := direct
		b.Prefix = prefix
		return b.Open()
	}
	return store, at, wrong
}

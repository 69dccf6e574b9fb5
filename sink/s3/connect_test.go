package s3_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/internal/objects/s3/s3test"
	"github.com/weirstreams/weir/sink/s3"
)

type options = s3.Options[string, string]

func TestConnectSaysWhatIsMissing(t *testing.T) {
	right := s3test.New(t)
	for name, c := range map[string]struct {
		change  func(b *s3.Bucket)
		options options
		want    []string
		is      error
	}{
		"the bucket is missing":     {func(b *s3.Bucket) { b.Name = "weir-nowhere" }, options{}, []string{"s3://weir-nowhere", "NoSuchBucket", "make the bucket"}, nil},
		"the name is missing":       {func(b *s3.Bucket) { b.Name = "" }, options{}, []string{"the name of the bucket is missing"}, nil},
		"permission to write":       {func(b *s3.Bucket) { b.AccessKey = "reader" }, options{}, []string{"s3://" + right.Name, "403 AccessDenied", "s3:PutObject"}, fs.ErrPermission},
		"half of the credentials":   {func(b *s3.Bucket) { b.AccessKey = "" }, options{}, []string{"AccessKey and SecretKey"}, nil},
		"a prefix of other places":  {func(b *s3.Bucket) { b.Prefix = "a/../b" }, options{}, []string{`prefix "a/../b"`}, weir.ErrConfiguration},
		"a prefix with a slash":     {func(b *s3.Bucket) { b.Prefix = "a/" }, options{}, []string{`prefix "a/"`}, weir.ErrConfiguration},
		"options":                   {func(*s3.Bucket) {}, options{OpenFiles: -1}, []string{"OpenFiles"}, weir.ErrConfiguration},
		"nobody listens":            {func(b *s3.Bucket) { b.Endpoint = "http://127.0.0.1:1" }, options{}, []string{"connection refused", "attempt 3"}, nil},
		"an address that is no URL": {func(b *s3.Bucket) { b.Endpoint = "127.0.0.1" }, options{}, []string{"s3://" + right.Name}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			b := right
			c.change(&b)
			objecttest.ConnectFails(t, s3.New(b, c.options), c.is, append(c.want, "sink/s3: ")...)
		})
	}
}

func TestACallThatIsNotAnsweredEnds(t *testing.T) {
	store, at, _ := s3test.Store(t)
	b := at("silent")
	b.Timeout, b.Retry.Attempts = 200*time.Millisecond, 2
	ctx, cancel := context.WithCancel(t.Context())
	defer store.Gate.Pass("silent", func(*http.Request) { <-ctx.Done() })()
	defer cancel()
	err := s3.New(b, options{}).Connect(t.Context())
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("a store that does not answer makes the error %v", err)
	}
}

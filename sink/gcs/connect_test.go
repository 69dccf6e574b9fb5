package gcs_test

import (
	"io"
	"io/fs"
	"net/http"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/internal/objects/gcs/gcstest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/gcs"
)

type options = gcs.Options[string, string]

func TestConnectSaysWhatIsMissing(t *testing.T) {
	right := gcstest.New(t)
	key, hidden := gcstest.Key(t, right.Endpoint+"/token")
	denied := gatetest.New(t, right.Endpoint)
	denied.Answer("/b/", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"code":403,"message":"weir does not have storage.objects.list access (or it may not exist)","errors":[{"reason":"forbidden"}]}}`)
	})
	for name, c := range map[string]struct {
		change func(b *gcs.Bucket)
		want   []string
		is     error
	}{
		"the bucket is missing":    {func(b *gcs.Bucket) { b.Name = "weir-nowhere" }, []string{"gs://weir-nowhere", "404", "make the bucket"}, nil},
		"the name is missing":      {func(b *gcs.Bucket) { b.Name = "" }, []string{"the name of the bucket is missing"}, nil},
		"no permission":            {func(b *gcs.Bucket) { b.Endpoint = denied.URL }, []string{"403 forbidden", "storage.objects.list"}, fs.ErrPermission},
		"a key that gets no token": {func(b *gcs.Bucket) { b.Anonymous, b.ServiceAccountKey = false, key }, []string{"the credentials get no token"}, fs.ErrPermission},
		"a key that is none":       {func(b *gcs.Bucket) { b.Anonymous, b.ServiceAccountKey = false, secret.New("?"+hidden) }, []string{"the key of the service account"}, nil},
		"two kinds of credentials": {func(b *gcs.Bucket) { b.ServiceAccountKey = key }, []string{"only one of Anonymous and ServiceAccountKey"}, nil},
		"a prefix of other places": {func(b *gcs.Bucket) { b.Prefix = "a/../b" }, []string{`prefix "a/../b"`}, weir.ErrConfiguration},
		"nobody listens":           {func(b *gcs.Bucket) { b.Endpoint = "http://127.0.0.1:1" }, []string{"connection refused", "attempt 3"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			to := right
			c.change(&to)
			objecttest.ConnectFails(t, gcs.New(to, options{}), c.is, append(c.want, "sink/gcs: ")...)
		})
	}
}

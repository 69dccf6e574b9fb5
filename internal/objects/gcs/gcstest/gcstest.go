// Package gcstest makes buckets on the server of the variable WEIR_TEST_GCS.
package gcstest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/gcs"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/secret"
)

// New makes a bucket, which is removed with the server. It skips the test if there is none.
func New(tb testing.TB) gcs.Bucket {
	tb.Helper()
	address := os.Getenv("WEIR_TEST_GCS")
	if address == "" {
		tb.Skip("no server: run the test by go run github.com/weirstreams/weir/internal/testserver fakegcs -- go test ...")
	}
	b := Named(address, "weir-"+strings.ToLower(rand.Text()[:12]))
	if err := Client(tb, b).Bucket(b.Name).Create(tb.Context(), "weir", nil); err != nil {
		tb.Fatal(err)
	}
	return b
}

// Named returns a bucket of a server at an address.
func Named(address, name string) gcs.Bucket {
	return gcs.Bucket{
		Name: name, Endpoint: address, Anonymous: true, Timeout: 20 * time.Second, Retry: weir.Retry{Attempts: 3, FirstWait: 20 * time.Millisecond},
	}
}

// Client returns a bare client.
func Client(tb testing.TB, b gcs.Bucket) *storage.Client {
	tb.Helper()
	c, err := storage.NewClient(tb.Context(), option.WithoutAuthentication(), option.WithEndpoint(b.Endpoint+"/storage/v1/"), storage.WithJSONReads())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Key makes a key of a service account that gets its tokens at an address, and returns a part of it that no text may show.
func Key(tb testing.TB, tokens string) (key secret.String, hidden string) {
	tb.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	data, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		tb.Fatal(err)
	}
	block := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: data}))
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "weir@example.com", "private_key_id": "1", "private_key": block, "token_uri": tokens,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return secret.New(string(text)), strings.Split(block, "\n")[3]
}

// refuse answers with a fault as the service does.
func refuse(status int, reason string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"error":{"code":%d,"message":"said the gate","errors":[{"reason":%q,"message":"said the gate"}]}}`, status, reason) // the client is gone
	}
}

// Store returns a new bucket for objecttest, without Sink and Source.
func Store(tb testing.TB) (store *objecttest.Store, at func(prefix string) gcs.Bucket, wrong gcs.Bucket) {
	tb.Helper()
	direct := New(tb)
	gate := gatetest.New(tb, direct.Endpoint)
	at = func(prefix string) gcs.Bucket {
		b := direct
		b.Endpoint, b.Prefix = gate.URL, prefix
		return b
	}
	wrong = at("")
	wrong.Anonymous = false
	var hidden string
	wrong.ServiceAccountKey, hidden = Key(tb, gate.URL+"/token")
	store = &objecttest.Store{
		Gate: gate, Name: "gs://" + direct.Name, Secrets: []string{hidden},
		Slow: refuse(http.StatusServiceUnavailable, "backendError"), Denied: refuse(http.StatusForbidden, "forbidden"),
	}
	store.Open = func(prefix string) *objects.Bucket {
		b := direct
		b.Prefix = prefix
		return b.Open()
	}
	return store, at, wrong
}

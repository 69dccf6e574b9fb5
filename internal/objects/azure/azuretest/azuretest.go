// Package azuretest makes containers on the server of the variable WEIR_TEST_AZURE.
package azuretest

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/internal/objects/azure"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/secret"
)

const account = "devstoreaccount1"

// key is the one of all emulators, which their documentation has.
var key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/" + "K1SZFPTOtr/KBHBeksoGMGw=="

// New makes a container, which is removed with the server. It skips the test if there is none.
func New(tb testing.TB) azure.Container {
	tb.Helper()
	address := os.Getenv("WEIR_TEST_AZURE")
	if address == "" {
		tb.Skip("no server: run the test by go run github.com/weirstreams/weir/internal/testserver azurite -- go test ...")
	}
	c := Named(address, "weir-"+strings.ToLower(rand.Text()[:12]))
	if _, err := Client(tb, c).Create(tb.Context(), nil); err != nil {
		tb.Fatal(err)
	}
	return c
}

// Named returns a container of a server at an address.
func Named(address, name string) azure.Container {
	return azure.Container{
		Account: account, Name: name, Endpoint: address, AccountKey: secret.New(key),
		Timeout: 20 * time.Second, Retry: weir.Retry{Attempts: 3, FirstWait: 20 * time.Millisecond},
	}
}

// Client returns a bare client.
func Client(tb testing.TB, c azure.Container) *container.Client {
	tb.Helper()
	credential, err := container.NewSharedKeyCredential(account, key)
	if err != nil {
		tb.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(c.Endpoint+"/"+c.Name, credential, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

// Store returns a new container for objecttest, without Sink and Source.
func Store(tb testing.TB) (store *objecttest.Store, at func(prefix string) azure.Container, wrong azure.Container) {
	tb.Helper()
	direct := New(tb)
	address, err := url.Parse(direct.Endpoint)
	if err != nil {
		tb.Fatal(err)
	}
	gate := gatetest.New(tb, address.Scheme+"://"+address.Host)
	at = func(prefix string) azure.Container {
		c := direct
		c.Endpoint, c.Prefix = gate.URL+address.Path, prefix
		return c
	}
	wrong = at("")
	other := base64.StdEncoding.EncodeToString([]byte("another secret of an Azure account"))
	wrong.AccountKey = secret.New(other)
	store = &objecttest.Store{
		Gate: gate, Name: "azblob://" + account + "/" + direct.Name, Secrets: []string{key, other},
		Slow: gatetest.Refuse(http.StatusServiceUnavailable, "ServerBusy"), Denied: gatetest.Refuse(http.StatusForbidden, "AuthorizationPermissionMismatch"),
	}
	store.Open = func(prefix string) *objects.Bucket {
		c := direct
		c.Prefix = prefix
		return c.Open()
	}
	return store, at, wrong
}

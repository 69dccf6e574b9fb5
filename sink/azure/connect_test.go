package azure_test

import (
	"io/fs"
	"testing"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/objects/azure/azuretest"
	"github.com/weirstreams/weir/internal/objects/objecttest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/azure"
)

type options = azure.Options[string, string]

func TestConnectSaysWhatIsMissing(t *testing.T) {
	right := azuretest.New(t)
	for name, c := range map[string]struct {
		change func(c *azure.Container)
		want   []string
		is     error
	}{
		"the container is missing": {func(c *azure.Container) { c.Name = "weir-nowhere" }, []string{"azblob://devstoreaccount1/weir-nowhere", "ContainerNotFound", "make the"}, nil},
		"the names are missing":    {func(c *azure.Container) { c.Name, c.Account = "", "" }, []string{"the name of the account is missing", "the name of the container is missing"}, nil},
		"the right key":            {func(c *azure.Container) { c.AccountKey = secret.New("YW5vdGhlciBrZXk=") }, []string{"403", "Storage Blob Data Contributor"}, fs.ErrPermission},
		"a key that is no base64":  {func(c *azure.Container) { c.AccountKey = secret.New("?") }, []string{"the account key"}, nil},
		"a prefix of other places": {func(c *azure.Container) { c.Prefix = "a/../b" }, []string{`prefix "a/../b"`}, weir.ErrConfiguration},
		"nobody listens":           {func(c *azure.Container) { c.Endpoint = "http://127.0.0.1:1/devstoreaccount1" }, []string{"connection refused", "attempt 3"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			to := right
			c.change(&to)
			objecttest.ConnectFails(t, azure.New(to, options{}), c.is, append(c.want, "sink/azure: ")...)
		})
	}
}

// Package azure reaches containers of Azure Blob Storage.
package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azblobblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/objects"
	"github.com/weirstreams/weir/secret"
)

// Container names a container and says how to reach it. Account and Name are needed. Without AccountKey the credentials are those of the environment: AZURE_*
// variables, the identity of the machine, or the login of the command line tool.
type Container struct {
	// Account is the name of the storage account.
	Account string
	// Name is that of the container, which has to exist.
	Name string
	// Prefix is the folder of everything that is written or read, with slashes between nested folders and none at its ends. Empty means the
	// container as a whole.
	Prefix string
	// AccountKey is a key of the account.
	AccountKey secret.String
	// Endpoint is the address of the account. Empty means https://ACCOUNT.blob.core.windows.net.
	Endpoint string
	// Timeout bounds a call, and the wait for the next bytes of content. A call with content has a second more for each 512 KiB. 0 means 30 s.
	Timeout time.Duration
	// Retry is for calls that fail because the store cannot answer: no connection, throttling (429, 503 ServerBusy), 500. When its attempts are used
	// up, a sink holds the input back and goes on trying. If is not used.
	Retry weir.Retry
}

// role is the one that writes and reads.
const role = "the role Storage Blob Data Contributor, or Storage Blob Data Reader to read"

// Open returns the container for a sink or a source.
func (c Container) Open() *objects.Bucket {
	return objects.New(objects.Store{
		Open: c.open, Fault: fault, Version: version, Copy: copyBlob,
		Permissions: map[objects.Call]string{
			objects.Upload: role, objects.Copy: role, objects.Delete: role, objects.Read: role, objects.List: role,
		},
	}, objects.Settings{
		URL: "azblob://" + c.Account + "/" + c.Name, Prefix: c.Prefix, Timeout: c.Timeout, Retry: c.Retry, Secrets: []secret.String{c.AccountKey},
	})
}

func (c Container) open(_ context.Context, calls *http.Client) (*blob.Bucket, error) {
	var errs []error
	if c.Account == "" {
		errs = append(errs, errors.New("the name of the account is missing"))
	}
	if c.Name == "" {
		errs = append(errs, errors.New("the name of the container is missing"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	address := c.Endpoint
	if address == "" {
		address = "https://" + c.Account + ".blob.core.windows.net"
	}
	address = strings.TrimSuffix(address, "/") + "/" + c.Name
	o := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: calls,
		Retry:     policy.RetryOptions{MaxRetries: -1}, // Retry says how often
	}}
	client, err := c.client(address, o)
	if err != nil {
		return nil, err
	}
	return azureblob.OpenBucket(context.Background(), client, nil) // which makes no call
}

func (c Container) client(address string, o *container.ClientOptions) (*container.Client, error) {
	if !c.AccountKey.IsZero() {
		key, err := container.NewSharedKeyCredential(c.Account, c.AccountKey.Reveal())
		if err != nil {
			return nil, fmt.Errorf("the account key: %w", err)
		}
		return container.NewClientWithSharedKeyCredential(address, key, o)
	}
	token, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(address, token, o)
}

func fault(err error) (f objects.Fault, ok bool) {
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return f, false
	}
	return objects.Fault{Status: answer.StatusCode, Code: answer.ErrorCode}, true
}

func version(as func(any) bool) string {
	var properties azblobblob.GetPropertiesResponse
	var content azblob.DownloadStreamResponse
	switch {
	case as(&properties) && properties.ETag != nil:
		return string(*properties.ETag)
	case as(&content) && content.ETag != nil:
		return string(*content.ETag)
	}
	return ""
}

// copyBlob copies an object, and waits for the end of the copy: that of gocloud.dev panics if the copy takes long and the answer about it fails.
func copyBlob(ctx context.Context, b *blob.Bucket, to, from string) error {
	var client *container.Client
	if !b.As(&client) {
		return errors.New("the container has no client")
	}
	target := client.NewBlobClient(escaped(to))
	begun, err := target.StartCopyFromURL(ctx, client.NewBlobClient(escaped(from)).URL(), nil)
	if err != nil {
		return err
	}
	status := begun.CopyStatus
	for status != nil && *status == azblobblob.CopyStatusTypePending {
		timer := time.NewTimer(pollInterval)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		now, err := target.GetProperties(ctx, nil)
		if err != nil {
			return err
		}
		status = now.CopyStatus
	}
	if status == nil || *status != azblobblob.CopyStatusTypeSuccess {
		return errors.New("the copy has failed in the store")
	}
	return nil
}

const pollInterval = 200 * time.Millisecond

// escaped returns a key as azureblob writes it: characters that Azure does not keep are __0xXX__.
func escaped(key string) string {
	var b strings.Builder
	for _, c := range key {
		if c < ' ' || c == 0x7f || strings.ContainsRune(`\"#%?`, c) {
			fmt.Fprintf(&b, "__%#x__", c)
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

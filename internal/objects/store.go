package objects

import (
	"context"
	"net/http"
	"time"

	"gocloud.dev/blob"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
)

// Store is the part of the calls that depends on the kind of store.
type Store struct {
	// Open makes the client, which makes its calls by another one that Close closes. Connect calls it once.
	Open func(ctx context.Context, calls *http.Client) (*blob.Bucket, error)
	// Fault reads the answer of the service from an error. ok is false if there was none.
	Fault func(err error) (f Fault, ok bool)
	// Version returns the version of an object, from the attributes of it (blob.Attributes.As) or from a reader (blob.Reader.As).
	Version func(as func(any) bool) string
	// Copy copies an object within the bucket. nil means that of gocloud.dev.
	Copy func(ctx context.Context, b *blob.Bucket, to, from string) error
	// Permissions are the names of those that calls need.
	Permissions map[Call]string
}

// Fault is the answer of a service that could not do a call.
type Fault struct {
	// Status is the HTTP status, Code the name that the service has for the fault.
	Status        int
	Code, Message string
}

// Call is a kind of call.
type Call string

// The kinds of calls.
const (
	Upload Call = "upload"
	Copy   Call = "copy"
	Delete Call = "delete"
	Read   Call = "read"
	List   Call = "list"
)

// Settings are those of all stores.
type Settings struct {
	// URL names the bucket for people: s3://orders.
	URL string
	// Prefix is in front of all keys: folders with slashes between them.
	Prefix string
	// Timeout bounds a call, without the time for the content of large objects. 0 means 30 s.
	Timeout time.Duration
	// Retry is for calls that fail because the store cannot answer now.
	Retry weir.Retry
	// Secrets are never part of an error.
	Secrets []secret.String
}

const defaultTimeout = 30 * time.Second

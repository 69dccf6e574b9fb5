package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/weirstreams/weir/internal/backoff"
)

// Client talks to a schema registry. It may be used by many goroutines at once and by many codecs, and needs no closing.
type Client struct {
	config Config
	http   *sr.Client
}

// GUID is the name of a schema that is the same in all registries.
type GUID [16]byte

// String returns the usual form, in lower case with hyphens.
func (g GUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Registered is a schema as the registry has it.
type Registered struct {
	Schema
	ID      int
	Subject string
	Version int
}

// Register registers a schema, and those that it refers to before it, and returns its id. A schema that is there already
// is found. With normalize the registry does not take two ways to write the same schema for two schemas. The errors are those of
// [Client.Lookup].
func (c *Client) Register(ctx context.Context, subject string, s Schema, normalize bool, references SubjectOfReference) (int, error) {
	wire, err := c.resolve(ctx, s, normalize, references, true)
	if err != nil {
		return 0, err
	}
	var id int
	err = c.retry(ctx, func() (err error) {
		id, err = c.http.RegisterSchema(withNormalize(ctx, normalize), subject, wire, -1, -1)
		return err
	})
	if err != nil {
		err = c.explain(ctx, subject, wire, err)
		return 0, &Error{Op: "register schema", Subject: subject, Err: err}
	}
	return id, nil
}

// Lookup returns the id and version of a schema under a subject. The error is an [*Error], or the cause of the end of ctx.
func (c *Client) Lookup(ctx context.Context, subject string, s Schema, normalize bool, references SubjectOfReference) (Registered, error) {
	wire, err := c.resolve(ctx, s, normalize, references, false)
	if err != nil {
		return Registered{}, err
	}
	return c.lookup(ctx, subject, wire, normalize)
}

func (c *Client) lookup(ctx context.Context, subject string, wire sr.Schema, normalize bool) (Registered, error) {
	var found sr.SubjectSchema
	err := c.retry(ctx, func() (err error) {
		found, err = c.http.LookupSchema(withNormalize(ctx, normalize), subject, wire)
		return err
	})
	if err != nil {
		return Registered{}, &Error{Op: "look up schema", Subject: subject, Err: err}
	}
	return registered(found), nil
}

// Latest returns the latest version under a subject, with the schemas that it refers to. The errors are those of [Client.Lookup].
func (c *Client) Latest(ctx context.Context, subject string) (Registered, error) {
	return c.Version(ctx, subject, -1)
}

// Version returns a version under a subject, with the schemas that it refers to. Version -1 is the latest. The
// errors are those of [Client.Lookup].
func (c *Client) Version(ctx context.Context, subject string, version int) (Registered, error) {
	return c.version(ctx, subject, version, map[string]*Schema{})
}

func (c *Client) version(ctx context.Context, subject string, version int, known map[string]*Schema) (Registered, error) {
	var found sr.SubjectSchema
	err := c.retry(ctx, func() (err error) {
		found, err = c.http.SchemaByVersion(ctx, subject, version)
		return err
	})
	if err != nil {
		return Registered{}, &Error{Op: "fetch schema", Subject: subject, Err: err}
	}
	r := registered(found)
	return r, c.fetchReferences(ctx, &r.Schema, known)
}

// ByID returns the schema of an id, with those that it refers to. subject says where it is used, for registries with
// several contexts, and may be empty. The errors are those of [Client.Lookup].
func (c *Client) ByID(ctx context.Context, id int, subject string) (Schema, error) {
	if subject != "" {
		ctx = sr.WithParams(ctx, sr.Subject(subject))
	}
	var found sr.Schema
	err := c.retry(ctx, func() (err error) {
		found, err = c.http.SchemaByID(ctx, id)
		return err
	})
	if err != nil {
		return Schema{}, &Error{Op: "fetch schema", ID: fmt.Sprint(id), Err: err}
	}
	s := schemaOf(found)
	return s, c.fetchReferences(ctx, &s, map[string]*Schema{})
}

// ByGUID returns the schema of a GUID, with those that it refers to. The errors are those of [Client.Lookup].
func (c *Client) ByGUID(ctx context.Context, guid GUID) (Schema, error) {
	var found sr.SubjectSchema
	err := c.retry(ctx, func() (err error) {
		found, err = c.http.SchemaByGUID(ctx, guid.String())
		return err
	})
	if err != nil {
		return Schema{}, &Error{Op: "fetch schema", ID: guid.String(), Err: err}
	}
	s := schemaOf(found.Schema)
	return s, c.fetchReferences(ctx, &s, map[string]*Schema{})
}

// brief returns a context for the calls of a codec: a worker waits for the answer, and for all repetitions.
func (c *Client) brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 2*c.config.Timeout)
}

// retry calls f until it succeeds, fails for good, or has been repeated often enough.
func (c *Client) retry(ctx context.Context, f func() error) error {
	waits := backoff.Policy{Base: c.config.RetryBase, Max: c.config.RetryMax, Jitter: 1}
	for n := 0; ; n++ {
		err := f()
		if err == nil || n >= c.config.Retries || !worthRetrying(err) {
			return err
		}
		if waits.Sleep(ctx, n+1) != nil {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

func worthRetrying(err error) bool {
	if answer, ok := errors.AsType[*sr.ResponseError](err); ok {
		return slices.Contains([]int{
			http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		}, answer.StatusCode)
	}
	return true // there was no answer
}

func withNormalize(ctx context.Context, normalize bool) context.Context {
	if normalize {
		return sr.WithParams(ctx, sr.Normalize)
	}
	return ctx
}

func registered(s sr.SubjectSchema) Registered {
	return Registered{Schema: schemaOf(s.Schema), ID: s.ID, Subject: s.Subject, Version: s.Version}
}

func schemaOf(s sr.Schema) Schema {
	out := Schema{Type: typeOf(s.Type), Text: s.Schema}
	for _, r := range s.References {
		out.References = append(out.References, Reference{Name: r.Name, Subject: r.Subject, Version: r.Version})
	}
	return out
}

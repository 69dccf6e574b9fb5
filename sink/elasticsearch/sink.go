package elasticsearch

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
)

// Sink writes records to a search engine. It is made by [New].
type Sink[K, V any] struct {
	address secret.URL
	options Options[K, V]
	encoder *encoder[K, V]
	client  web.Client // open between Connect and Close
}

// New returns a sink that writes documents to the service at an address, with http or https: a node, or a load balancer in front of several. Connect
// finds mistakes.
func New[K, V any](address string, options Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{address: secret.NewURL(address), options: options.withDefaults()}
	s.encoder = newEncoder(&s.options)
	s.client = web.Client{
		Address: s.address, Auth: options.Auth.credentials, Insecure: options.Insecure, TLS: options.TLS, Proxy: options.Proxy,
		Timeout: s.options.Timeout, Limit: "Options.Timeout", NotFound: "check the address", MaxAnswer: maxAnswer,
	}
	return s
}

// maxAnswer is how much of an answer is read: some kilobytes for each document of a request that the service refuses as a whole.
const maxAnswer = 64 << 20

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// String names the service and the index.
func (s *Sink[K, V]) String() string {
	if s.options.Index == "" {
		return s.address.String()
	}
	return "index " + s.options.Index + " at " + s.address.String()
}

// Connect implements [sink.Sink]. It checks the options, the credentials and the version of the service, makes Options.Index if it is asked to, and
// finds out whether documents may be written to it.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	return s.client.Connect(ctx, "elasticsearch", s, s.options.check(), s.options.Retry, s.checkVersion, s.findIndex, s.probe)
}

// oldest are the oldest versions with all that the sink uses.
const (
	oldestElasticsearch = 7
	oldestOpenSearch    = 1
)

// checkVersion asks the service for its version. One that does not tell it is taken for a new one.
func (s *Sink[K, V]) checkVersion(ctx context.Context) error {
	answer, err := s.call(ctx, http.MethodGet, "", nil, nil, "")
	if answer.Status == http.StatusForbidden || answer.Status == http.StatusNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	var about struct {
		Version struct{ Number, Distribution string }
	}
	if err := json.Unmarshal(answer.Body, &about); err != nil || about.Version.Number == "" {
		return fmt.Errorf("%w: the service is neither Elasticsearch nor OpenSearch: its answer has no version", weir.ErrConfiguration)
	}
	name, oldest := "Elasticsearch", oldestElasticsearch
	if about.Version.Distribution == "opensearch" {
		name, oldest = "OpenSearch", oldestOpenSearch
	}
	first, _, _ := strings.Cut(about.Version.Number, ".")
	if major, err := strconv.Atoi(first); err == nil && major < oldest {
		return fmt.Errorf("%w: %s %s is too old: version %d or newer is needed", weir.ErrConfiguration, name, about.Version.Number, oldest)
	}
	return nil
}

// findIndex makes sure that Options.Index is there.
func (s *Sink[K, V]) findIndex(ctx context.Context) error {
	o := &s.options
	if o.Index == "" {
		return nil
	}
	answer, err := s.call(ctx, http.MethodHead, url.PathEscape(o.Index), nil, nil, "")
	switch {
	case answer.Status == http.StatusForbidden: // the probe tells more
		return nil
	case answer.Status != http.StatusNotFound:
		return err
	case o.CreateDataStream:
		answer, err = s.call(ctx, http.MethodPut, "_data_stream/"+url.PathEscape(o.Index), nil, nil, "")
	case o.CreateIndex != "":
		answer, err = s.call(ctx, http.MethodPut, url.PathEscape(o.Index), nil, []byte(o.CreateIndex), "")
	default:
		return fmt.Errorf("%w: there is no index %q: make it, or set Options.CreateIndex or CreateDataStream", weir.ErrConfiguration, o.Index)
	}
	if err != nil && answer.Status == http.StatusBadRequest && strings.Contains(string(answer.Body), "resource_already_exists_exception") {
		return nil // another member has made it
	}
	if err != nil {
		return fmt.Errorf("make the index: %w", err)
	}
	return nil
}

// probe finds out whether documents may be written to Options.Index, by one that no index takes: its source is no object. The service looks at
// permissions and blocks first.
func (s *Sink[K, V]) probe(ctx context.Context) error {
	o := &s.options
	if o.Index == "" {
		return nil
	}
	action := "index"
	if o.Mode == Append {
		action = "create"
	}
	line := appendText([]byte(`{"`+action+`":{"_index":`), o.Index)
	line = appendText(append(line, `,"_id":`...), "weir-probe-"+rand.Text())
	data, err := s.bulk(ctx, append(line, "}}\n[]\n"...), "")
	if err != nil {
		return err
	}
	results, err := read(data, 1)
	if err != nil {
		return err
	}
	if len(results) == 0 {
		return errors.New("the service took a document that is no object")
	}
	switch r := &results[0]; {
	case r.Error != nil && r.Status == http.StatusBadRequest && strings.Contains(r.Error.Type, "pars"):
		return nil
	case r.passes(): // the sink waits for that
		return nil
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
		return fmt.Errorf("%w (the credentials need the privilege to write documents of the index)", r.err())
	default:
		return fmt.Errorf("no document can be written: %w", r.err())
	}
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if !s.client.IsOpen() {
		return nil, errors.New("sink elasticsearch: Writer is called before Connect")
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	s.client.Close()
	return nil
}

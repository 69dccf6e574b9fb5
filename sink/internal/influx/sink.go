package influx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
)

// API is the interface of a version of the server.
type API struct {
	// Name is that of the sink, for errors.
	Name string
	// Path is that of requests that write, and Precisions the names of the units of times in them.
	Path       string
	Precisions [len(units)]string
	// Create is the statement that makes the database. Empty means that Connect makes none.
	Create  string
	Dialect Dialect
	// Reserved is the name of the column with the time, which no tag and no field may have.
	Reserved string
	// TableTag is the tag with the name of a point's table. Empty means that the server has none.
	TableTag string
	// Parameters are further parameters of requests that write.
	Parameters url.Values
	// Prepare takes the place of looking at the version and making the database. It is called again after errors that may pass.
	Prepare func(ctx context.Context, call Call) error
	// Meaning returns the error of a request that writes, by its answer and the error that its status means.
	Meaning func(answer web.Answer, err error) error
	// Fits returns an error for a server of a version that has another interface. major is that version's first number.
	Fits func(major int, version string) error
	// Partial reads the answer to a request that was refused in part: the errors by the numbers of lines, from 1. No errors mean that the answer
	// does not tell which lines were refused, and nil that no answer does.
	Partial func(body []byte) map[int]error
}

// Call makes one attempt of a request to a server.
type Call func(ctx context.Context, method, path string, query url.Values, body []byte) (web.Answer, error)

// Sink writes records to a server.
type Sink[K, V any] struct {
	address secret.URL
	api     API
	options Options[K, V]
	client  web.Client // open between Connect and Close
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// New returns a sink. Connect finds mistakes.
func New[K, V any](address string, api API, options Options[K, V]) *Sink[K, V] {
	s := &Sink[K, V]{address: secret.NewURL(address), api: api, options: options}
	s.options.setDefaults()
	s.client = web.Client{
		Address: s.address, Auth: options.Auth, Insecure: options.Insecure, TLS: options.TLS, Proxy: options.Proxy,
		Timeout: s.options.Timeout, Limit: "Options.Timeout", NotFound: "check the address and Options.Database", MaxAnswer: maxAnswer,
	}
	return s
}

// maxAnswer is how much of an answer is read: an error for each line of a request.
const maxAnswer = 16 << 20

// String names the server and the database.
func (s *Sink[K, V]) String() string {
	return "database " + s.options.Database + " at " + s.address.String()
}

// Connect implements [sink.Sink].
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	return s.client.Connect(ctx, s.api.Name, s, s.options.check(&s.api), s.options.Retry, s.prepare, s.probe)
}

// prepare finds out whether the server is one that the sink is for, and makes the database if it is asked to.
func (s *Sink[K, V]) prepare(ctx context.Context) error {
	if s.api.Prepare != nil {
		return s.api.Prepare(ctx, func(ctx context.Context, method, path string, query url.Values, body []byte) (web.Answer, error) {
			return s.call(ctx, method, path, query, body, "")
		})
	}
	if err := s.checkVersion(ctx); err != nil {
		return err
	}
	return s.create(ctx)
}

// checkVersion asks the server for its version. One that does not tell it is taken for the right one.
func (s *Sink[K, V]) checkVersion(ctx context.Context) error {
	answer, err := s.call(ctx, http.MethodGet, "/ping", nil, nil, "")
	if answer.Status == http.StatusNotFound || answer.Status == http.StatusForbidden {
		return nil
	}
	if err != nil {
		return err
	}
	version := answer.Header.Get("X-Influxdb-Version")
	if version == "" {
		var about struct{ Version string }
		if json.Unmarshal(answer.Body, &about) == nil {
			version = about.Version
		}
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return nil
	}
	if err := s.api.Fits(major, version); err != nil {
		return fmt.Errorf("%w: %w", weir.ErrConfiguration, err)
	}
	return nil
}

// create makes the database, if it is asked to.
func (s *Sink[K, V]) create(ctx context.Context) error {
	if s.api.Create == "" {
		return nil
	}
	answer, err := s.call(ctx, http.MethodPost, "/query", url.Values{"q": {s.api.Create}}, nil, "")
	if err != nil {
		return fmt.Errorf("make the database: %w", err)
	}
	var result struct {
		Results []struct{ Error string }
	}
	if err := json.Unmarshal(answer.Body, &result); err != nil {
		return fmt.Errorf("make the database: read the answer: %w", err)
	}
	for _, r := range result.Results {
		if r.Error != "" {
			return fmt.Errorf("make the database: %s", Reason(r.Error))
		}
	}
	return nil
}

// probe finds out whether points may be written, by a line that is none: the server looks at credentials and the database first.
func (s *Sink[K, V]) probe(ctx context.Context) error {
	_, err := s.write(ctx, []byte("weir_probe\n"), "")
	if _, ok := errors.AsType[*web.WrongRequest](err); ok {
		return nil
	}
	if err == nil {
		return errors.New("the server took a line without a field: it does not read lines")
	}
	return err
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if !s.client.IsOpen() {
		return nil, fmt.Errorf("sink %s: Writer is called before Connect", s.api.Name)
	}
	return newWriter(s, task), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	s.client.Close()
	return nil
}

// write sends lines, once.
func (s *Sink[K, V]) write(ctx context.Context, body []byte, encoding string) (web.Answer, error) {
	query := url.Values{"db": {s.options.Database}, "precision": {s.api.Precisions[s.options.Precision]}}
	maps.Copy(query, s.api.Parameters)
	answer, err := s.call(ctx, http.MethodPost, s.api.Path, query, body, encoding)
	if err != nil && s.api.Meaning != nil {
		err = s.api.Meaning(answer, err)
	}
	return answer, err
}

// call makes one attempt of a request.
func (s *Sink[K, V]) call(ctx context.Context, method, path string, query url.Values, body []byte, encoding string) (web.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	target := strings.TrimSuffix(s.address.Reveal(), "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return web.Answer{}, errors.New("the address is malformed")
	}
	if body != nil {
		r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	answer, cut, err := s.client.Do(r)
	if cut != nil && (err == nil || answer.Status == http.StatusBadRequest) { // the list of refused lines may be there in part
		return answer, cut
	}
	return answer, err
}

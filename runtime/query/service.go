package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/runtime"
)

// ServiceOptions are those of a [Service].
type ServiceOptions struct {
	// Stores are open to requests; others are weir.ErrUnknownStore. All members of a group need the same.
	Stores []Published
	// Authorize decides about each request, of clients as of members, before anything is read. Its error is the text of the answer, 403. nil lets
	// everybody read: serve the handler to trusted programs only then.
	Authorize func(*http.Request) error
	// Sign adds to the requests that this member sends to others what their Authorize asks for, such as a header with a token. nil adds nothing.
	Sign func(*http.Request) error
	// Client sends the requests to other members. The default is one of this package, which follows no redirects.
	Client *http.Client
	// Timeout is how long a request may take, forwarded or not. The default is 5 s.
	Timeout time.Duration
}

// Published is a [Store] of any types that a [Service] opens to requests.
type Published interface {
	// Name returns the name of the store.
	Name() string
	published() (declared, error)
}

// Service answers queries of a whole group: it reads the partitions of its App, and asks the members that have the others, by
// runtime.Config.Membership.Endpoint. It is a [Source] for the program, and the handler of the URLs that docs/queries.md lists, for clients and for the
// other members. Use http.StripPrefix for a path in the endpoint. It may be used before, during and after App.Run, by any number of goroutines,
// and starts no goroutine that outlives a request.
type Service struct {
	own     local
	remote  remote
	options ServiceOptions
	stores  map[string]declared
	mux     *http.ServeMux
}

// NewService returns the service of an App. The error is a weir.ErrConfiguration.
func NewService(app *runtime.App, o ServiceOptions) (*Service, error) {
	s := &Service{own: local{serving.Of(app)}, remote: newRemote(o.Client, o.Sign), options: o, stores: map[string]declared{}, mux: http.NewServeMux()}
	if s.options.Timeout <= 0 {
		s.options.Timeout = 5 * time.Second
	}
	for _, p := range o.Stores {
		store, err := p.published()
		if err != nil {
			return nil, err
		}
		if err := s.own.stores.Has(p.Name()); err != nil {
			return nil, fmt.Errorf("%w: query service: %w", weir.ErrConfiguration, err)
		}
		s.stores[p.Name()] = store
	}
	for path, answer := range map[string]func(context.Context, url.Values, bool) (any, error){
		"/stores": s.list, "/get": s.get, "/key": s.fields, "/scan": s.scan, "/rows": s.rows,
	} {
		s.mux.HandleFunc("GET "+path, s.handler(answer))
	}
	return s, nil
}

// ServeHTTP answers a request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

func (s *Service) read(ctx context.Context, q request) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	return s.answer(ctx, q, false)
}

// answer reads rows here, or asks the member that has them unless the request has come from one.
func (s *Service) answer(ctx context.Context, q request, forwarded bool) (response, error) {
	r, store, err := s.own.find(ctx, q)
	if forwarded || !errors.Is(err, weir.ErrNotOwner) {
		return r, err
	}
	endpoint, own := s.own.stores.Owner(store, r.Partition)
	if endpoint == "" || own { // it has changed meanwhile, or nobody has said
		return r, err
	}
	q.partition = r.Partition
	r, err = s.remote.rows(ctx, endpoint, q, true)
	if errors.Is(err, weir.ErrNotOwner) { // it has lost the partition, and the next assignment has not come here yet
		err = fmt.Errorf("query of store %q partition %d: %w: %s has it no more", q.store, q.partition, weir.ErrMoved, endpoint)
	}
	return r, err
}

// forwardedHeader is set in requests of members, which are not sent on.
const forwardedHeader = "Weir-Forwarded"

// handler returns the handler of one path.
func (s *Service) handler(answer func(ctx context.Context, values url.Values, forwarded bool) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		if s.options.Authorize != nil {
			if err := s.options.Authorize(r); err != nil {
				writeFailure(w, http.StatusForbidden, failure{Text: err.Error(), Code: codeForbidden})
				return
			}
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
		defer cancel()
		result, err := answer(ctx, r.URL.Query(), r.Header.Get(forwardedHeader) != "")
		if err != nil {
			status, code := statusOf(err)
			if status == http.StatusServiceUnavailable {
				header.Set("Retry-After", "1")
			}
			writeFailure(w, status, failure{Text: err.Error(), Code: code})
			return
		}
		encoded, err := json.Marshal(result)
		if err != nil {
			writeFailure(w, http.StatusInternalServerError, failure{Text: "encode the answer: " + err.Error(), Code: codeFailed})
			return
		}
		_, _ = w.Write(append(encoded, '\n')) // the other side has gone
	}
}

// failure is the body of an answer without rows.
type failure struct {
	Text string `json:"error"`
	Code string `json:"code"`
}

func writeFailure(w http.ResponseWriter, status int, f failure) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(f) // the other side has gone
}

const (
	codeForbidden = "forbidden"
	codeFailed    = "failed"
	codeNotFound  = "not_found"
)

// codes are the errors that answers name, with their status.
var codes = []struct {
	err    error
	code   string
	status int
}{
	{weir.ErrNotOwner, "not_owner", http.StatusMisdirectedRequest},
	{weir.ErrMoved, "moved", http.StatusServiceUnavailable},
	{weir.ErrRestoring, "restoring", http.StatusServiceUnavailable},
	{weir.ErrBehind, "behind", http.StatusConflict},
	{weir.ErrUnknownStore, "unknown_store", http.StatusNotFound},
	{errNotFound, codeNotFound, http.StatusNotFound},
	{weir.ErrConfiguration, "request", http.StatusBadRequest},
	{weir.ErrUnauthorized, codeForbidden, http.StatusForbidden},
	{weir.ErrUnavailable, "unavailable", http.StatusBadGateway},
	{context.DeadlineExceeded, "timeout", http.StatusGatewayTimeout},
}

// errNotFound says that a key has no row.
var errNotFound = errors.New("there is no such row")

func statusOf(err error) (status int, code string) {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.status, c.code
		}
	}
	return http.StatusInternalServerError, codeFailed
}

// store returns the store that a request names.
func (s *Service) store(values url.Values) (declared, error) {
	name := values.Get("store")
	store, ok := s.stores[name]
	if !ok {
		return store, fmt.Errorf("%w %q: see /stores", weir.ErrUnknownStore, name)
	}
	return store, nil
}

// listed is an element of the answer to /stores.
type listed struct {
	Name string `json:"name"`
	// Keys and Fields are types of Go.
	Keys   string `json:"keys"`
	Fields string `json:"fields,omitempty"`
}

func (s *Service) list(context.Context, url.Values, bool) (any, error) {
	all := []listed{}
	for _, p := range s.options.Stores {
		store := s.stores[p.Name()]
		all = append(all, listed{p.Name(), store.keys, store.fields})
	}
	slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// shownPage is the answer to /get, /key and /scan.
type shownPage struct {
	Partition int32            `json:"partition"`
	Position  map[string]int64 `json:"position"`
	Rows      []shownRow       `json:"rows"`
	Next      string           `json:"next,omitempty"`
}

// shownRow is a row as text.
type shownRow struct {
	Key   any `json:"key"`
	Field any `json:"field,omitempty"`
	Value any `json:"value"`
}

func (s *Service) get(ctx context.Context, values url.Values, forwarded bool) (any, error) {
	store, options, err := s.prepare(values)
	if err != nil {
		return nil, err
	}
	key, err := store.parseKey(values.Get("key"))
	if err != nil {
		return nil, err
	}
	var field []byte
	if store.fields != "" {
		if !values.Has("field") {
			return nil, fmt.Errorf("%w: store %q has several rows for a key: give the parameter field, or ask for all of them with fields", weir.ErrConfiguration, store.name)
		}
		if field, err = store.parseField(values.Get("field")); err != nil {
			return nil, err
		}
	}
	r, err := one(ctx, answering{s, forwarded}, store.name, store.layout, key, field, options)
	if err != nil {
		return nil, err
	}
	if len(r.Rows) == 0 {
		return nil, fmt.Errorf("store %q partition %d: %w", store.name, r.Partition, errNotFound)
	}
	return store.shown(r, "")
}

func (s *Service) fields(ctx context.Context, values url.Values, forwarded bool) (any, error) {
	store, options, err := s.prepare(values)
	if err != nil {
		return nil, err
	}
	key, err := store.parseKey(values.Get("key"))
	if err != nil {
		return nil, err
	}
	if store.layout == state.CellLayout {
		r, err := one(ctx, answering{s, forwarded}, store.name, store.layout, key, nil, options)
		if err != nil {
			return nil, err
		}
		return store.shown(r, "")
	}
	from, to, err := bounds(store.layout.Row(key, nil), spanOf(values), store.parseField)
	if err != nil {
		return nil, err
	}
	q := request{store: store.name, partition: -1, key: key, rows: state.Rows{From: from, To: to}}
	r, next, err := many(ctx, answering{s, forwarded}, q, options)
	if err != nil {
		return nil, err
	}
	return store.shown(r, next)
}

func (s *Service) scan(ctx context.Context, values url.Values, forwarded bool) (any, error) {
	store, options, err := s.prepare(values)
	if err != nil {
		return nil, err
	}
	from, to := store.layout.All()
	if span := spanOf(values); span != (Span[string]{}) {
		if store.layout != state.CellLayout {
			return nil, fmt.Errorf("%w: store %q: from, to and prefix are for cells and tables", weir.ErrConfiguration, store.name)
		}
		if from, to, err = bounds(from, span, store.parseKey); err != nil {
			return nil, err
		}
	}
	r, next, err := many(ctx, answering{s, forwarded}, request{store: store.name, rows: state.Rows{From: from, To: to}}, options)
	if err != nil {
		return nil, err
	}
	return store.shown(r, next)
}

// answering is the source of one request.
type answering struct {
	service   *Service
	forwarded bool
}

func (a answering) read(ctx context.Context, q request) (response, error) {
	return a.service.answer(ctx, q, a.forwarded)
}

// rows answers a request for encoded rows.
func (s *Service) rows(ctx context.Context, values url.Values, forwarded bool) (any, error) {
	store, err := s.store(values)
	if err != nil {
		return nil, err
	}
	q, err := decodeRequest(store.name, values)
	if err != nil {
		return nil, err
	}
	return s.answer(ctx, q, forwarded)
}

// spanOf returns the range that a request asks for, as text.
func spanOf(values url.Values) Span[string] {
	bound := func(name string) *string {
		if !values.Has(name) {
			return nil
		}
		return new(values.Get(name))
	}
	return Span[string]{From: bound("from"), To: bound("to"), Prefix: values.Get("prefix")}
}

// prepare reads the store and the options of a request.
func (s *Service) prepare(values url.Values) (store declared, o Options, err error) {
	if store, err = s.store(values); err != nil {
		return store, o, err
	}
	o.After = values.Get("after")
	if text := values.Get("limit"); text != "" {
		if o.Limit, err = strconv.Atoi(text); err != nil || o.Limit < 1 {
			return store, o, fmt.Errorf("%w: limit %q must be from 1 to %d", weir.ErrConfiguration, text, maxLimit)
		}
	}
	if text := values.Get("partition"); text != "" {
		partition, err := decodePartition(text)
		if err != nil {
			return store, o, err
		}
		o.Partition = &partition
	}
	o.AtLeast, err = decodePosition(values["at"])
	return store, o, err
}

// readAll reads a body that must not be longer than most bytes.
func readAll(body io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("the answer is longer than %d bytes", most)
	}
	return data, err
}

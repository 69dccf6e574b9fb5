package clickhouse

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// Sink writes records to ClickHouse. It is made by [New].
type Sink[K, V any] struct {
	address secret.URL
	options Options[K, V]
	client  web.Client        // open between Connect and Close
	columns map[string]column // of the table, known between Connect and Close
}

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// settings are those that requests with rows have. The answer waits for the end of the insert, so that its status is the last word; texts of times are read in all
// usual forms.
var settings = map[string]string{
	"wait_end_of_query": "1", "date_time_input_format": "best_effort", "wait_for_async_insert": "1",
}

// reserved are other parameters of requests.
var reserved = map[string]bool{
	"query": true, "database": true, "input_format_skip_unknown_fields": true, "param_database": true, "param_table": true, "user": true, "password": true,
}

// New returns a sink that writes rows to the server at an address, with http or https; its port is 8123 or 8443 by default. Connect finds mistakes.
func New[K, V any](address string, o Options[K, V]) *Sink[K, V] {
	o.setDefaults()
	s := &Sink[K, V]{address: secret.NewURL(address), options: o}
	s.client = web.Client{
		Address: s.address, Auth: o.Auth.credentials, Insecure: o.Insecure, TLS: o.TLS, Proxy: o.Proxy,
		Timeout: o.Timeout, Limit: "Options.Timeout", NotFound: "check the address, Options.Database and Options.Table",
	}
	return s
}

// String names the server and the table.
func (s *Sink[K, V]) String() string {
	return "table " + s.options.Database + "." + s.options.Table + " at " + s.address.String()
}

// Connect implements [sink.Sink]. It checks the options, the credentials, that the table is there with the columns of the options, and by an insert without
// rows, that rows may be written.
func (s *Sink[K, V]) Connect(ctx context.Context) error {
	return s.client.Connect(ctx, "clickhouse", s, s.options.check(), s.options.Retry, s.findColumns, s.probe)
}

// findColumns makes sure that the table is there, with the columns of the options.
func (s *Sink[K, V]) findColumns(ctx context.Context) error {
	query := url.Values{
		"query":          {"SELECT name, type, default_kind FROM system.columns WHERE database = {database:String} AND table = {table:String} FORMAT JSONCompactEachRow"},
		"param_database": {s.options.Database}, "param_table": {s.options.Table},
	}
	answer, err := s.call(ctx, query, nil, "")
	if err != nil {
		return fmt.Errorf("look the table up: %w", err)
	}
	found := map[string]column{}
	for line := range bytes.Lines(answer.Body) {
		var about [3]string
		if err := json.Unmarshal(line, &about); err != nil {
			return fmt.Errorf("look the table up: the server is no ClickHouse: %s", web.Shown(answer.Body, nil))
		}
		found[about[0]] = columnOf(about[1], about[2])
	}
	if len(found) == 0 {
		return fmt.Errorf("%w: there is no table %s.%s that the user may see", weir.ErrConfiguration, s.options.Database, s.options.Table)
	}
	var missing []string
	for _, name := range slices.Concat(s.options.Columns, s.options.Metadata.columns()) {
		if c, ok := found[name]; !ok {
			missing = append(missing, name)
		} else if c.computed != "" {
			return fmt.Errorf("%w: the server computes the column %q, which Options name (%s)", weir.ErrConfiguration, name, c.computed)
		}
	}
	if missing != nil {
		return fmt.Errorf("%w: the table lacks the columns %s, which Options name", weir.ErrConfiguration, strings.Join(missing, ", "))
	}
	s.columns = found
	return nil
}

// probe finds out whether rows may be written, by an insert without rows. The server looks at privileges first.
func (s *Sink[K, V]) probe(ctx context.Context) error {
	answer, err := s.insert(ctx, nil, "")
	if answer.Header.Get(exceptionHeader) == noRows {
		return nil
	}
	return err
}

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(_ context.Context, task sink.Task) (sink.Writer[K, V], error) {
	if !s.client.IsOpen() {
		return nil, errors.New("sink clickhouse: Writer is called before Connect")
	}
	o := &s.options
	return bulk.NewLineWriter(bulk.Lines[K, V]{
		Target: s, Noun: "row", AppendLine: newEncoder(o, s.columns).appendLine, Post: s.insert, Gzip: o.Gzip, Retry: o.Retry, OutageWait: o.OutageWait,
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	}), nil
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(context.Context) error {
	s.client.Close()
	return nil
}

// insert makes one attempt to write rows.
func (s *Sink[K, V]) insert(ctx context.Context, rows []byte, encoding string) (web.Answer, error) {
	o := &s.options
	query := url.Values{
		"query":                            {"INSERT INTO " + quote(o.Database) + "." + quote(o.Table) + " FORMAT JSONEachRow"},
		"input_format_skip_unknown_fields": {"0"},
	}
	if o.SkipUnknown {
		query.Set("input_format_skip_unknown_fields", "1")
	}
	for name, value := range settings {
		query.Set(name, value)
	}
	for name, value := range o.Settings {
		query.Set(name, value)
	}
	return s.call(ctx, query, rows, encoding)
}

// quote returns a name as an identifier of ClickHouse's SQL.
func quote(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

// call makes one attempt of a request.
func (s *Sink[K, V]) call(ctx context.Context, query url.Values, body []byte, encoding string) (web.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.address.Reveal(), "/")+"/?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		return web.Answer{}, errors.New("the address is malformed")
	}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	answer, cut, err := s.client.Do(r)
	if err == nil && cut != nil {
		return answer, cut
	}
	return answer, meaning(answer, err)
}

// exceptionHeader has the code of the server's exception, and noRows is the code of an insert without any.
const (
	exceptionHeader = "X-ClickHouse-Exception-Code"
	noRows          = "108"
)

// Codes of errors, of src/Common/ErrorCodes.cpp in ClickHouse. A status stands for many of them, and not for the same ones in all versions.
var (
	// rowCodes say that a row is wrong: its JSON, a value for the type of its column, an unknown column, a null, a constraint.
	rowCodes = []int{6, 25, 26, 27, 32, 33, 38, 41, 53, 69, 70, 72, 117, 130, 131, 190, 321, 349, 376, 407, 441, 467, 469, 675, 676, 691}
	// laterCodes say that the server is busy: too many queries, memory, too many parts.
	laterCodes = []int{202, 241, 252}
	// lastCodes say that no attempt will help: privileges, passwords, names, settings.
	lastCodes = []int{36, 47, 60, 62, 81, 115, 164, 192, 193, 194, 452, 497, 516}
)

// meaning returns the error of a request by the code of the exception, which the server puts into a header, also of an answer with the status 200.
func meaning(answer web.Answer, err error) error {
	code, bad := strconv.Atoi(answer.Header.Get(exceptionHeader))
	if bad != nil {
		return err
	}
	reason := err
	switch status := errors.Unwrap(err); {
	case err == nil:
		reason = fmt.Errorf("the server answers with an exception: %s", web.Shown(answer.Body, nil))
	case status != nil:
		reason = status
	}
	switch {
	case slices.Contains(rowCodes, code):
		return &web.WrongRequest{Err: reason}
	case slices.Contains(laterCodes, code):
		return &weir.RetryLaterError{RetryAfter: web.RetryAfter(answer.Header, time.Now()), Err: reason}
	case slices.Contains(lastCodes, code):
		return reason
	}
	return &web.Transient{Err: reason}
}

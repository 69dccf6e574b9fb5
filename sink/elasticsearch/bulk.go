package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// answer is the answer to a bulk request, with the members that filter asks for.
type answer struct {
	Errors bool                `json:"errors"`
	Items  []map[string]result `json:"items"`
}

const filter = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"

// result is that of one document.
type result struct {
	Status int      `json:"status"`
	Error  *failure `json:"error"`
}

// failure is the reason why a document was not taken.
type failure struct {
	Type     string `json:"type"`
	Reason   string `json:"reason"`
	CausedBy struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

// longestReason is the length of the part of a reason that an error shows.
const longestReason = 500

// err returns the error of a document.
func (r *result) err() error {
	text := fmt.Sprintf("status %d", r.Status)
	if r.Error == nil {
		return errors.New(text)
	}
	text += " " + r.Error.Type + ": " + r.Error.Reason
	if cause := r.Error.CausedBy.Reason; cause != "" && !strings.Contains(r.Error.Reason, cause) {
		text += ": " + cause
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > longestReason {
		text = strings.ToValidUTF8(text[:longestReason], "") + "..."
	}
	return errors.New(text)
}

// passes says that the service takes the document later: it is overloaded, its disk is full, a shard moves.
func (r *result) passes() bool {
	return r.Status == http.StatusTooManyRequests || r.Status >= 500 || r.Error != nil && r.Error.Type == "cluster_block_exception"
}

// bulk writes documents by one request, or by several if the service refuses it, until the service has answered about each: it is done or refused. An
// error says that some are left.
func (w *writer[K, V]) bulk(ctx context.Context, documents []*document) error {
	return bulk.Halves(documents, func(documents []*document) error {
		results, err := w.post(ctx, documents)
		if err != nil {
			return err
		}
		if results == nil {
			for _, d := range documents {
				d.Done = true
			}
			return nil
		}
		return w.judge(documents, results)
	})
}

// judge marks the documents by their results.
func (w *writer[K, V]) judge(documents []*document, results []result) error {
	o := &w.sink.options
	var passing, final error
	// Documents behind one that is left have to be written behind it, if they have the same name.
	left := map[string]bool{}
	for i, d := range documents {
		r := &results[i]
		switch {
		case left[d.name]:
		case r.Status >= 200 && r.Status < 300, d.deletion && r.Status == http.StatusNotFound && r.Error == nil:
			d.Done = true
		case r.Status == http.StatusConflict && (o.Mode == Append || o.Version != nil):
			d.Done = true
			w.Kept.Add(1)
		case r.passes(), r.Status == http.StatusConflict: // of a Merge beside another writer
			passing = &web.Transient{Err: r.err()}
			if d.name != "" {
				left[d.name] = true
			}
		case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden:
			final = fmt.Errorf("%w (the credentials need the privilege to write documents of the index)", r.err())
		default:
			d.Refused = r.err()
		}
	}
	if final != nil {
		return final
	}
	return passing
}

// post makes one attempt of a request. No results and no error mean that everything is written.
func (w *writer[K, V]) post(ctx context.Context, documents []*document) ([]result, error) {
	size := 0
	for _, d := range documents {
		size += len(d.lines)
	}
	body := make([]byte, 0, size)
	for _, d := range documents {
		body = append(body, d.lines...)
	}
	encoding := ""
	if w.sink.options.Gzip {
		var err error
		if body, err = w.gzip.Compress(body); err != nil {
			return nil, fmt.Errorf("compress: %w", err)
		}
		encoding = "gzip"
	}
	data, err := w.sink.bulk(ctx, body, encoding)
	if err != nil {
		return nil, err
	}
	return read(data, len(documents))
}

// bulk sends the body of a bulk request, once.
func (s *Sink[K, V]) bulk(ctx context.Context, body []byte, encoding string) ([]byte, error) {
	query := url.Values{"filter_path": {filter}}
	if s.options.Pipeline != "" {
		query.Set("pipeline", s.options.Pipeline)
	}
	got, err := s.call(ctx, http.MethodPost, "_bulk", query, body, encoding)
	return got.Body, err
}

// read reads the answer to a bulk request with a number of documents. No results mean that there are no errors.
func read(data []byte, documents int) ([]result, error) {
	if bytes.HasPrefix(data, []byte(`{"errors":false`)) { // quickly: it is so nearly always
		return nil, nil
	}
	var a answer
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, fmt.Errorf("the answer to a bulk request is none: %w", err)
	}
	if len(a.Items) != documents {
		return nil, fmt.Errorf("the answer to a bulk request has %d results for %d documents", len(a.Items), documents)
	}
	results := make([]result, 0, documents)
	for _, item := range a.Items {
		for _, r := range item { // one, under the name of its action
			results = append(results, r)
		}
	}
	if len(results) != documents {
		return nil, errors.New("the answer to a bulk request has a document with several results")
	}
	return results, nil
}

// call makes one attempt of a request.
func (s *Sink[K, V]) call(ctx context.Context, method, path string, query url.Values, body []byte, encoding string) (web.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	target := strings.TrimSuffix(s.address.Reveal(), "/") + "/" + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return web.Answer{}, errors.New("the address is malformed")
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
		if path == "_bulk" {
			r.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	answer, cut, err := s.client.Do(r)
	if err == nil && cut != nil {
		return answer, cut
	}
	return answer, err
}

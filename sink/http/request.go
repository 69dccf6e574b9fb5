package http

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirstreams/weir/internal/connector/web"
)

// StatusError says that the service has answered with a status that is no success: Status is the status, and Text the beginning of the answer, without
// secrets.
type StatusError = web.StatusError

// post makes one attempt of a request with records.
func (s *Sink[K, V]) post(ctx context.Context, body []byte, key, encoding string, records int) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, s.options.Method, s.address.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the address is malformed")
	}
	for name, values := range s.options.Headers {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	r.Header.Set("Content-Type", s.options.ContentType)
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	if key != "" {
		r.Header.Set(s.options.IdempotencyHeader, key)
	}
	answer, cut, err := s.client.Do(r)
	_, wrong := errors.AsType[*web.WrongRequest](err)
	switch {
	case err != nil && !wrong || s.options.Refused == nil:
		return err
	case err == nil && cut != nil: // the answer may name records
		return cut
	}
	refused, failed := s.options.Refused(Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body, Records: records})
	switch {
	case failed != nil:
		return fmt.Errorf("Options.Refused: %w", failed)
	case len(refused) == 0:
		return err
	}
	for _, e := range refused {
		if e.Index < 0 || e.Index >= records {
			return fmt.Errorf("Options.Refused names record %d of a request with %d", e.Index, records)
		}
	}
	return refused
}

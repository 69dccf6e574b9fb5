package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// message is a record that is published.
type message struct {
	*nats.Msg
	size int
	// done says that the stream has it; refused is the answer to a message that it does not take.
	done    bool
	refused error
}

// writer makes messages of the records of a task, and publishes them in batches.
type writer[K, V any] struct {
	*bulk.Writer[K, V, *message]
	sink *Sink[K, V]
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s}
	o := &s.options
	w.Writer = bulk.NewWriter(bulk.Config[K, V, *message]{
		Target: s, Noun: "message", Make: s.message, Write: w.write, Size: func(m *message) int { return m.size },
	}, sink.BatchOptions{
		MaxRecords: o.Window, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
	return w
}

// message makes the message of a record.
func (s *Sink[K, V]) message(r *weir.Record[K, V]) (*message, error) {
	o := &s.options
	subject, err := s.subject(r)
	if err != nil {
		return nil, err
	}
	payload, err := o.Payload(r)
	if err != nil {
		return nil, fmt.Errorf("the payload: %w", err)
	}
	m := &message{Msg: &nats.Msg{Subject: subject, Data: payload}}
	if o.Headers && len(r.Headers) > 0 {
		m.Header = make(nats.Header, len(r.Headers)+2)
		for _, h := range r.Headers {
			if err := checkHeader(h.Key, string(h.Value)); err != nil {
				return nil, err
			}
			m.Header[h.Key] = append(m.Header[h.Key], string(h.Value))
		}
	}
	if o.Stream != "" {
		m.setHeader(jetstream.ExpectedStreamHeader, o.Stream)
	}
	if o.ID != nil {
		id, err := o.ID(r)
		if err == nil && strings.ContainsAny(id, "\r\n\x00") {
			err = fmt.Errorf("%q has a line break or a zero byte", id)
		}
		if err != nil {
			return nil, fmt.Errorf("Options.ID: %w", err)
		}
		if id != "" {
			m.setHeader(jetstream.MsgIDHeader, id)
		}
	}
	m.size = m.Size()
	if most := s.conn.MaxPayload(); int64(m.size-len(subject)) > most {
		return nil, fmt.Errorf("the message has %d bytes, and the server takes at most %d", m.size-len(subject), most)
	}
	return m, nil
}

func (m *message) setHeader(name, value string) {
	if m.Header == nil {
		m.Header = make(nats.Header, 2)
	}
	m.Header[name] = []string{value}
}

// subject returns the subject of a record.
func (s *Sink[K, V]) subject(r *weir.Record[K, V]) (string, error) {
	o := &s.options
	switch {
	case o.Subject != "":
		return o.Subject, nil
	case o.SubjectOf != nil:
		subject, err := o.SubjectOf(r)
		if err == nil {
			err = checkSubject(subject)
		}
		if err != nil {
			return "", fmt.Errorf("Options.SubjectOf: %w", err)
		}
		return subject, nil
	}
	if r.KeyNull {
		return "", errors.New("the key is null, and makes no subject")
	}
	text, null, err := s.key(r.Key)
	switch {
	case err != nil:
		return "", fmt.Errorf("the key as a subject: %w", err)
	case null:
		return "", errors.New("the key is null, and makes no subject")
	}
	return o.Prefix + text, checkSubject(o.Prefix + text)
}

// checkHeader refuses headers that the server would read as instructions, and those that are no lines.
func checkHeader(name, value string) error {
	switch {
	case name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ':' }):
		return fmt.Errorf("the header %q is no name: it is empty, or has a colon, a space, or a character beyond ASCII", name)
	case len(name) >= 5 && strings.EqualFold(name[:5], "Nats-"):
		return fmt.Errorf("the header %q is an instruction to the server", name)
	case strings.ContainsAny(value, "\r\n\x00") || strings.TrimSpace(value) != value:
		return fmt.Errorf("the header %q has a value with a line break, a zero byte, or a space at its ends", name)
	}
	return nil
}

// write publishes a batch, with as many attempts as the policy allows. Messages that are through stay so when it is called again with them.
func (w *writer[K, V]) write(ctx context.Context, records []weir.Record[struct{}, *message]) error {
	s := w.sink
	retry := s.options.Retry
	again := web.Again(retry.If)
	retry.If = func(err error) bool { return again(err) && !errors.Is(err, jetstream.ErrAsyncPublishTimeout) } // which was waited for
	err := retry.Do(ctx, func(ctx context.Context) error { return w.publish(ctx, records) })
	switch {
	case err == nil:
		return w.refused(records)
	case ctx.Err() != nil:
		return fmt.Errorf("publish %d messages to %s: %w", len(records), s, errors.Join(context.Cause(ctx), err))
	}
	return fmt.Errorf("publish %d messages to %s: %w", len(records), s, web.Outage(err, s.options.OutageWait))
}

// refused returns the errors of messages that the stream does not take, or nil.
func (w *writer[K, V]) refused(records []weir.Record[struct{}, *message]) error {
	return bulk.Refused(records, func(m *message) error {
		if m.refused == nil {
			return nil
		}
		return fmt.Errorf("%s refuses the message of subject %q: %w", w.sink, m.Subject, m.refused)
	})
}

// publish sends the messages that are left, and waits for the answer to each of them. Messages without an id that are behind one of their subject that is left are left
// too, so that the stream ends with the newest one.
func (w *writer[K, V]) publish(ctx context.Context, records []weir.Record[struct{}, *message]) error {
	type sent struct {
		*message
		jetstream.PubAckFuture
	}
	var all []sent
	var failure error
	for i := range records {
		m := records[i].Value
		if m.done || m.refused != nil {
			continue
		}
		future, err := w.sink.js.PublishMsgAsync(m.Msg, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(time.Millisecond))
		if err != nil {
			failure = judge(err)
			break
		}
		all = append(all, sent{m, future})
	}
	left := map[string]bool{}
	for _, m := range all {
		err := w.await(ctx, m.PubAckFuture)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		answer := judge(err)
		if answer == nil {
			m.done = !left[m.Subject] || m.Header.Get(jetstream.MsgIDHeader) != ""
			continue
		}
		if refusal, ok := errors.AsType[*recordError](answer); ok {
			m.refused = refusal.err
			continue
		}
		_, passing := errors.AsType[*web.Transient](answer)
		left[m.Subject] = true
		if failure == nil || !passing {
			failure = answer
		}
	}
	return failure
}

// await returns the error of a message, or nil when the stream has it.
func (w *writer[K, V]) await(ctx context.Context, future jetstream.PubAckFuture) error {
	select {
	case <-future.Ok():
		return nil
	default:
	}
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		return err
	case <-w.sink.refused:
		return w.sink.lacks()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// recordError is the refusal of one message.
type recordError struct{ err error }

func (e *recordError) Error() string { return e.err.Error() }

// Codes of errors of JetStream.
const (
	codeWrongStream     = 10060
	codeMessageTooLarge = 10054
	codeStoreFailed     = 10077 // as for a stream that is full and discards new messages
	codeNoSpace         = 10047
	codeNoResources     = 10023
)

// judge returns the meaning of the error of a message: one that time mends, one of the record, or a final one.
func judge(err error) error {
	if err == nil {
		return nil
	}
	answer, ok := errors.AsType[*jetstream.APIError](err)
	switch {
	case errors.Is(err, weir.ErrConfiguration):
		return err
	case !ok: // no connection, no leader, no answer in time
		if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
			return &web.Transient{Err: fmt.Errorf("no stream takes the subject, or its server is away: %w", err)}
		}
		if errors.Is(err, nats.ErrBadSubject) || errors.Is(err, nats.ErrBadHeaderMsg) || errors.Is(err, nats.ErrMaxPayload) {
			return &recordError{err}
		}
		return &web.Transient{Err: err}
	case answer.ErrorCode == codeWrongStream:
		return fmt.Errorf("%w: another stream than Options.Stream takes the subject: %w", weir.ErrConfiguration, err)
	case answer.ErrorCode == codeMessageTooLarge:
		return &recordError{err}
	case answer.Code >= 500, answer.ErrorCode == codeStoreFailed, answer.ErrorCode == codeNoSpace, answer.ErrorCode == codeNoResources:
		return &web.Transient{Err: err}
	}
	return &recordError{err}
}

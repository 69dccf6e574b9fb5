package mongodb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/bulk"
)

// writer makes documents of the records of a task, and writes them in batches.
type writer[K, V any] struct {
	*bulk.Writer[K, V, *document]
	sink *Sink[K, V]
}

func newWriter[K, V any](s *Sink[K, V], task sink.Task) *writer[K, V] {
	w := &writer[K, V]{sink: s}
	o := &s.options
	w.Writer = bulk.NewWriter(bulk.Config[K, V, *document]{
		Target: s, Noun: "document", Make: s.encoder.document, Write: w.write, Size: func(d *document) int { return d.size }, Logger: task.Logger,
		KeptMessage: "documents were not inserted, because the collection has ones with their ids: records were processed again, or others write it",
	}, sink.BatchOptions{
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge, Now: task.Now,
	})
	return w
}

// write writes a batch, with as many attempts as the policy allows. Documents that are through stay so when it is called again with them.
func (w *writer[K, V]) write(ctx context.Context, records []weir.Record[struct{}, *document]) error {
	s := w.sink
	retry := s.options.Retry
	again := web.Again(retry.If)
	retry.If = func(err error) bool { return again(err) && !away(err) }
	err := retry.Do(ctx, func(ctx context.Context) error { return w.attempt(ctx, records) })
	if err == nil {
		return w.refused(records)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("write %d documents to %s: %w", len(records), s, errors.Join(context.Cause(ctx), err))
	}
	return fmt.Errorf("write %d documents to %s: %w", len(records), s, web.Outage(err, s.options.OutageWait))
}

// refused returns the errors of documents that the server does not take, or nil.
func (w *writer[K, V]) refused(records []weir.Record[struct{}, *document]) error {
	return bulk.Refused(records, func(d *document) error {
		if d.refused == nil {
			return nil
		}
		return fmt.Errorf("%s refuses the document: %w", w.sink, d.refused)
	})
}

// attempt writes the documents that are left, a collection after the other, until the server has answered about each of them: it is done or refused.
func (w *writer[K, V]) attempt(ctx context.Context, records []weir.Record[struct{}, *document]) error {
	var collections []string
	left := map[string][]*document{}
	for i := range records {
		d := records[i].Value
		if d.done || d.refused != nil {
			continue
		}
		if left[d.collection] == nil {
			collections = append(collections, d.collection)
		}
		left[d.collection] = append(left[d.collection], d)
	}
	for _, name := range collections {
		for documents := left[name]; len(documents) > 0; {
			n := len(documents)
			if w.sink.options.Unordered {
				n = distinct(documents)
			}
			rest, err := w.bulk(ctx, name, documents[:n])
			if err != nil {
				return err
			}
			documents = documents[n-len(rest):]
		}
	}
	return nil
}

// distinct returns how many documents in front have different ids, so that a server may write them in any order.
func distinct(documents []*document) int {
	seen := make(map[string]bool, len(documents))
	for i, d := range documents {
		if seen[d.name] {
			return i
		}
		seen[d.name] = true
	}
	return len(documents)
}

// bulk makes one bulk write, and returns the documents behind one that was refused, which the server has not looked at.
func (w *writer[K, V]) bulk(ctx context.Context, collection string, documents []*document) (rest []*document, err error) {
	s := w.sink
	models := make([]mongo.WriteModel, len(documents))
	for i, d := range documents {
		models[i] = d.model
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	_, err = s.database.Collection(collection).BulkWrite(bounded, models, options.BulkWrite().SetOrdered(!s.options.Unordered))
	if err == nil {
		for _, d := range documents {
			d.done = true
		}
		return nil, nil
	}
	answer, ok := errors.AsType[mongo.BulkWriteException](err)
	if !ok {
		return nil, explain(err)
	}
	if c := answer.WriteConcernError; c != nil { // a primary has the documents, and may lose them
		if c.Code == codeUnsatisfiableConcern || c.Code == codeUnknownConcern {
			return nil, fmt.Errorf("%w: the write concern of the URI cannot be met: %s", weir.ErrConfiguration, c.Message)
		}
		return nil, &web.Transient{Err: fmt.Errorf("the write concern is not met: %s", c.Message)}
	}
	failed := map[int]bool{}
	var passing, final error
	for _, e := range answer.WriteErrors {
		if e.Index < 0 || e.Index >= len(documents) {
			return nil, fmt.Errorf("the answer has an error of document %d of %d: %s", e.Index, len(documents), e.Message)
		}
		failed[e.Index] = true
		d := documents[e.Index]
		switch err := short(e.WriteError); {
		case e.Code == codeDuplicateKey && ofID(e.WriteError) && d.inserted:
			d.done = true
			w.Kept.Add(1)
		case e.Code == codeDuplicateKey && ofID(e.WriteError), passes(e.WriteError): // another writer has made the same document at the same time
			passing = &web.Transient{Err: err}
		case e.Code == codeUnauthorized:
			final = fmt.Errorf("%w (the user needs the actions insert, update and remove)", err)
		default:
			d.refused = err
		}
	}
	end := len(documents)
	if !s.options.Unordered && len(answer.WriteErrors) > 0 { // which has stopped there
		end = answer.WriteErrors[0].Index + 1
	}
	for i, d := range documents[:end] {
		d.done = d.done || !failed[i]
	}
	if final != nil {
		return nil, final
	}
	return documents[end:], passing
}

// explain returns the error of a command that has failed as a whole: a transient one if time mends it.
func explain(err error) error {
	switch {
	case passes(err):
		return &web.Transient{Err: err}
	case hasCode(err, codeUnauthorized):
		return fmt.Errorf("%w (the user needs the actions insert, update and remove)", err)
	case hasCode(err, codeAuthenticationFailed):
		return fmt.Errorf("%w (the user and the password are those of Options.URI)", err)
	}
	return err
}

// ofID reports whether a document has the _id of another one, and not a value of another unique index.
func ofID(e mongo.WriteError) bool {
	if pattern, err := e.Raw.LookupErr("keyPattern"); err == nil {
		keys, err := pattern.Document().Elements()
		return err == nil && len(keys) == 1 && keys[0].Key() == "_id"
	}
	return strings.Contains(e.Message, "index: _id_") || strings.Contains(e.Message, "._id_ ") || strings.Contains(e.Message, "index: _id ")
}

// longestMessage is the length of the part of a message that an error shows.
const longestMessage = 500

// short returns the error of a document without line breaks and the end of a long message.
func short(e mongo.WriteError) error {
	text := strings.Join(strings.Fields(e.Message), " ")
	if len(text) > longestMessage {
		text = strings.ToValidUTF8(text[:longestMessage], "") + "..."
	}
	return fmt.Errorf("code %d: %s", e.Code, text)
}

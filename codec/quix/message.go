package quix

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/weirstreams/weir/codec"
)

// message is a message before its data is decoded.
type message struct {
	model string
	data  []byte
}

// envelope is the legacy form. S and E, the place of V in it, are not needed to read it.
type envelope struct {
	C, K string
	V    json.RawMessage
}

var (
	errSplit     = errors.New("a part of a message that was split over several: these cannot be read")
	errNoData    = errors.New("the envelope has no data (V)")
	errGzipInEnv = errors.New("compressed data in an envelope")
)

// ignored are the models that are not data.
var ignored = []string{"StreamProperties", "StreamEnd", "ParameterDefinitions", "EventDefinitions"}

const gzipPrefix = "[GZIP]"

// reader takes messages apart.
type reader struct {
	maxBytes int64
	envelope codec.Codec[envelope]
}

func newReader(o Options) reader {
	if o.MaxBytes == 0 {
		o.MaxBytes = 64 << 20
	}
	return reader{o.MaxBytes, codec.JSON[envelope]()}
}

func (r reader) read(c *codec.Context, value []byte) (message, error) {
	var model, codecID string
	legacy := bytes.HasPrefix(value, []byte(`{"C":`)) && bytes.Contains(value, []byte(`"K":`))
	data := value
	switch {
	case legacy:
		var usual bool
		if model, codecID, data, usual = openEnvelope(value); usual {
			break
		}
		e, err := r.envelope.Decode(c, value)
		if err != nil {
			return message{}, cause(err)
		}
		if len(e.V) == 0 {
			return message{}, errNoData
		}
		model, codecID, data = e.K, e.C, e.V
	case bytes.HasPrefix(value, []byte("<")):
		return message{}, errSplit
	default:
		var split bool
		if model, codecID, split = headers(c); split {
			return message{}, errSplit
		}
	}
	if codecID == "" {
		return message{}, fmt.Errorf("the codec is missing: want an envelope or the header %s", codecHeader)
	}
	if model == "" {
		return message{}, fmt.Errorf("the model is missing: want an envelope or the header %s", modelHeader)
	}
	if model != timeseriesModel && model != eventModel && slices.Contains(ignored, model) {
		return message{}, codec.ErrIgnore
	}
	if plain, compressed := strings.CutPrefix(codecID, gzipPrefix); compressed {
		if legacy {
			return message{}, errGzipInEnv
		}
		var err error
		if data, err = r.gunzip(data); err != nil {
			return message{}, fmt.Errorf("decompress: %w", err)
		}
		codecID = plain
	}
	if codecID != "J" && codecID != "JT" {
		return message{}, fmt.Errorf("codec %q: want J or JT", codecID)
	}
	return message{model, data}, nil
}

// headers returns the text of the last header of each name. Other headers are ignored.
func headers(c *codec.Context) (model, codecID string, split bool) {
	if c == nil {
		return "", "", false
	}
	for i := range c.Headers {
		switch h := &c.Headers[i]; h.Key {
		case modelHeader:
			model = text(h.Value)
		case codecHeader:
			codecID = text(h.Value)
		case splitHeader:
			split = true
		}
	}
	return model, codecID, split
}

func (r reader) gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(z, r.maxBytes+1))
	if err == nil && int64(len(out)) > r.maxBytes {
		err = fmt.Errorf("more than %d bytes", r.maxBytes)
	}
	return out, err
}

// cause takes the cause out of an error of codec.JSON, which names a type of ours.
func cause(err error) error {
	if e, ok := errors.AsType[*codec.Error](err); ok {
		return e.Err
	}
	return err
}

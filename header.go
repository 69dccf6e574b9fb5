package weir

// HeaderCarrier lets a propagator of OpenTelemetry read and write headers; it is a TextMapCarrier. It carries the trace of the caller to the
// readers of a record:
//
//	propagation.TraceContext{}.Inject(ctx, (*weir.HeaderCarrier)(&record.Headers))
type HeaderCarrier []Header

// Get returns the value of the first header of that name, and "" if there is none.
func (c *HeaderCarrier) Get(key string) string {
	for i := range *c {
		if (*c)[i].Key == key {
			return string((*c)[i].Value)
		}
	}
	return ""
}

// Set replaces the headers of that name by one, or adds it behind the others.
func (c *HeaderCarrier) Set(key, value string) {
	kept := make([]Header, 0, len(*c)+1) // the record that the headers are of may share them
	for _, h := range *c {
		if h.Key != key {
			kept = append(kept, h)
		}
	}
	*c = append(kept, Header{Key: key, Value: []byte(value)})
}

// Keys returns the names of the headers.
func (c *HeaderCarrier) Keys() []string {
	keys := make([]string, len(*c))
	for i, h := range *c {
		keys[i] = h.Key
	}
	return keys
}

package registry

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

// SubjectOfReference makes the subject that a reference is registered under from its name. Nil means the name itself.
type SubjectOfReference func(name string) string

// resolve returns a schema as the registry takes it. References without a version are registered, or looked up, depth
// first.
func (c *Client) resolve(ctx context.Context, s Schema, normalize bool, subjectOf SubjectOfReference, register bool) (sr.Schema, error) {
	kind, err := s.Type.wire()
	if err != nil {
		return sr.Schema{}, err
	}
	wire := sr.Schema{Type: kind, Schema: s.Text}
	for _, r := range s.References {
		if r.Subject == "" {
			r.Subject = r.Name
			if subjectOf != nil {
				r.Subject = subjectOf(r.Name)
			}
		}
		if r.Version == 0 {
			if r.Version, err = c.referenceVersion(ctx, r, normalize, subjectOf, register); err != nil {
				return sr.Schema{}, fmt.Errorf("reference %q: %w", r.Name, err)
			}
		}
		wire.References = append(wire.References, sr.SchemaReference{Name: r.Name, Subject: r.Subject, Version: r.Version})
	}
	return wire, nil
}

func (c *Client) referenceVersion(ctx context.Context, r Reference, normalize bool, subjectOf SubjectOfReference, register bool) (int, error) {
	if r.Schema == nil {
		latest, err := c.Latest(ctx, r.Subject)
		return latest.Version, err
	}
	wire, err := c.resolve(ctx, *r.Schema, normalize, subjectOf, register)
	if err != nil {
		return 0, err
	}
	if register {
		if _, err := c.Register(ctx, r.Subject, *r.Schema, normalize, subjectOf); err != nil {
			return 0, err
		}
	}
	found, err := c.lookup(ctx, r.Subject, wire, normalize)
	return found.Version, err
}

// fetchReferences fetches the schemas that a schema refers to. known are the schemas that have been fetched, by subject and version.
func (c *Client) fetchReferences(ctx context.Context, s *Schema, known map[string]*Schema) error {
	for i := range s.References {
		r := &s.References[i]
		key := fmt.Sprintf("%s\x00%d", r.Subject, r.Version)
		if known[key] == nil {
			known[key] = &Schema{} // if they go round in a circle
			found, err := c.version(ctx, r.Subject, r.Version, known)
			if err != nil {
				return fmt.Errorf("reference %q: %w", r.Name, err)
			}
			*known[key] = found.Schema
		}
		r.Schema = known[key]
	}
	return nil
}

// Package measure estimates how much memory values take.
package measure

import (
	"reflect"
	"sync"
	"unsafe"
)

// Measurer estimates the memory that a T refers to, beside the T itself. The zero value is for types that refer to nothing.
type Measurer[T any] struct{ measure measurer }

// Of returns the Measurer of T. The estimate takes a bounded time: of long slices and maps a few elements are looked at, and it does
// not follow pointers deeper than measureDepth.
func Of[T any]() Measurer[T] { return Measurer[T]{measurerOf(reflect.TypeFor[T]())} }

// Refers reports whether a T may refer to memory. Otherwise Bytes must not be called.
func (m Measurer[T]) Refers() bool { return m.measure != nil }

// Bytes estimates the memory that a T refers to, in bytes.
func (m Measurer[T]) Bytes(v *T) int { return m.measure(unsafe.Pointer(v), measureDepth) }

// BytesWithin is Bytes for a measurer of [Register], within its depth.
func (m Measurer[T]) BytesWithin(v *T, depth int) int { return m.measure(unsafe.Pointer(v), depth) }

var registered sync.Map // reflect.Type to measurer

// Register says how values of a type are measured that refer to memory by an unsafe.Pointer, which reflection does not follow. An init function of its package calls it.
func Register[T any](bytes func(v *T, depth int) int) {
	registered.Store(reflect.TypeFor[T](), measurer(func(p unsafe.Pointer, depth int) int { return bytes((*T)(p), depth) }))
}

func isRegistered(t reflect.Type) bool {
	_, ok := registered.Load(t)
	return ok
}

// measurer estimates the memory that the value at p refers to.
type measurer func(p unsafe.Pointer, depth int) int

const (
	// measureDepth is how many pointers, slices, maps and interfaces are followed, one behind the other.
	measureDepth = 6
	// measureSample is how many elements of a slice or map are looked at.
	measureSample = 8
	// mapEntryOverhead is the memory of an entry of a map beside key and element.
	mapEntryOverhead = 16
)

var measurers sync.Map // reflect.Type to measurer, nil included

// measurerOf returns the measurer of a type, or nil if values of it refer to nothing.
func measurerOf(t reflect.Type) measurer {
	if !refers(t) {
		return nil
	}
	if m, ok := measurers.Load(t); ok {
		return m.(measurer)
	}
	// A type may contain itself: what it refers to is looked up when it is measured first.
	m := newMeasurer(t)
	measurers.Store(t, m)
	return m
}

// refers reports whether values of a type may refer to memory.
func refers(t reflect.Type) bool {
	if isRegistered(t) {
		return true
	}
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface:
		return true
	case reflect.Array:
		return t.Len() > 0 && refers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if refers(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

func newMeasurer(t reflect.Type) measurer {
	if m, ok := registered.Load(t); ok {
		return m.(measurer)
	}
	switch t.Kind() {
	case reflect.String:
		return func(p unsafe.Pointer, _ int) int { return len(*(*string)(p)) }
	case reflect.Slice:
		return sliceMeasurer(t)
	case reflect.Array:
		element := lazy(t.Elem())
		return func(p unsafe.Pointer, depth int) int { return element.sum(p, t.Len(), depth) }
	case reflect.Map:
		return mapMeasurer(t)
	case reflect.Pointer:
		element := lazy(t.Elem())
		return func(p unsafe.Pointer, depth int) int {
			to := *(*unsafe.Pointer)(p)
			if to == nil || depth == 0 {
				return 0
			}
			return element.size + element.of(to, depth-1)
		}
	case reflect.Interface:
		return func(p unsafe.Pointer, depth int) int {
			v := reflect.NewAt(t, p).Elem().Elem()
			if !v.IsValid() || depth == 0 {
				return 0
			}
			return boxed(v, (*[2]unsafe.Pointer)(p)[1], depth-1)
		}
	default:
		return structMeasurer(t)
	}
}

// referred is a type that values refer to. It may be one that it is part of, so its measurer is looked up late, and once.
type referred struct {
	t       reflect.Type
	size    int
	once    sync.Once
	measure measurer
}

func lazy(t reflect.Type) *referred { return &referred{t: t, size: int(t.Size())} }

func (r *referred) measurer() measurer {
	r.once.Do(func() { r.measure = measurerOf(r.t) })
	return r.measure
}

// of estimates the memory that a value refers to.
func (r *referred) of(p unsafe.Pointer, depth int) int {
	if m := r.measurer(); m != nil {
		return m(p, depth)
	}
	return 0
}

// sum estimates the memory that the elements of an array refer to.
func (r *referred) sum(data unsafe.Pointer, n, depth int) int {
	if n == 0 {
		return 0
	}
	m := r.measurer()
	if m == nil {
		return 0
	}
	looked := min(n, measureSample)
	sum := 0
	for i := range looked {
		sum += m(unsafe.Add(data, i*(n-1)/max(1, looked-1)*r.size), depth)
	}
	return sum * n / looked
}

func structMeasurer(t reflect.Type) measurer {
	type field struct {
		offset  uintptr
		measure measurer
		nilable bool // refers to nothing if its first word is zero
	}
	var fields []field
	var texts []uintptr // offsets of strings, which are many, and cheap
	var add func(t reflect.Type, base uintptr)
	add = func(t reflect.Type, base uintptr) {
		for i := range t.NumField() {
			switch f := t.Field(i); {
			case f.Type.Kind() == reflect.String:
				texts = append(texts, base+f.Offset)
			case f.Type.Kind() == reflect.Struct && !isRegistered(f.Type):
				add(f.Type, base+f.Offset)
			case refers(f.Type):
				fields = append(fields, field{base + f.Offset, measurerOf(f.Type), f.Type.Kind() != reflect.Array && f.Type.Kind() != reflect.Struct})
			}
		}
	}
	add(t, 0)
	return func(p unsafe.Pointer, depth int) int {
		n := 0
		for _, offset := range texts {
			n += len(*(*string)(unsafe.Add(p, offset)))
		}
		for i := range fields {
			f := &fields[i]
			at := unsafe.Add(p, f.offset)
			if f.nilable && *(*uintptr)(at) == 0 { // seldom set, as the headers of kept records: a call saved
				continue
			}
			n += f.measure(at, depth)
		}
		return n
	}
}

func sliceMeasurer(t reflect.Type) measurer {
	element, deep := lazy(t.Elem()), refers(t.Elem())
	return func(p unsafe.Pointer, depth int) int {
		s := (*struct {
			data     unsafe.Pointer
			len, cap int
		})(p)
		n := s.cap * element.size
		if deep && depth > 0 {
			n += element.sum(s.data, s.len, depth-1)
		}
		return n
	}
}

func mapMeasurer(t reflect.Type) measurer {
	keyType, valueType := lazy(t.Key()), lazy(t.Elem())
	size := keyType.size + valueType.size + mapEntryOverhead
	keys, values := refers(t.Key()), refers(t.Elem())
	return func(p unsafe.Pointer, depth int) int {
		v := reflect.NewAt(t, p).Elem()
		n := v.Len()
		if n == 0 || depth == 0 || !keys && !values {
			return n * size
		}
		key, value := reflect.New(t.Key()), reflect.New(t.Elem())
		looked, sum := 0, 0
		for it := v.MapRange(); looked < measureSample && it.Next(); looked++ {
			if keys {
				key.Elem().SetIterKey(it)
				sum += keyType.of(key.UnsafePointer(), depth-1)
			}
			if values {
				value.Elem().SetIterValue(it)
				sum += valueType.of(value.UnsafePointer(), depth-1)
			}
		}
		return n*size + sum*n/max(1, looked)
	}
}

// boxed measures the value in an interface. data is its second word: the value itself if that is a pointer, else where it lies.
func boxed(v reflect.Value, data unsafe.Pointer, depth int) int {
	t := v.Type()
	switch t.Kind() {
	case reflect.Pointer, reflect.Map:
		return dynamic(t, unsafe.Pointer(&data), depth)
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return 0
	case reflect.Struct, reflect.Array:
		if t.Size() == unsafe.Sizeof(data) && isPointerShaped(t) {
			return dynamic(t, unsafe.Pointer(&data), depth)
		}
	}
	return int(t.Size()) + dynamic(t, data, depth)
}

// dynamic measures a value whose type was not known before.
func dynamic(t reflect.Type, p unsafe.Pointer, depth int) int {
	if m := measurerOf(t); m != nil {
		return m(p, depth)
	}
	return 0
}

// isPointerShaped reports whether a struct or array consists of one pointer, which an interface holds directly.
func isPointerShaped(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Array:
		return t.Len() == 1 && isPointerShaped(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i).Type; f.Size() > 0 {
				return isPointerShaped(f) && t.Size() == f.Size()
			}
		}
	}
	return false
}

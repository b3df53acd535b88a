package recsys;

import java.lang.reflect.Constructor;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** JSON values made into records, and records into JSON values: {@code itemId} here is {@code item_id} there. */
final class Records {
    /** A record that is a list in JSON. */
    interface Tuple {}

    private record Shape(Constructor<?> maker, RecordComponent[] parts, String[] names) {}

    private static final Map<Class<?>, Shape> SHAPES = new ConcurrentHashMap<>();

    private Records() {}

    static <T> T read(Class<T> type, Object json) {
        return type.cast(made(type, json));
    }

    static <T> List<T> readAll(Class<T> type, Object json) {
        List<T> found = new ArrayList<>();
        for (Object one : (List<?>) json) {
            found.add(type.cast(made(type, one)));
        }
        return found;
    }

    private static Object made(Type type, Object json) {
        if (type instanceof ParameterizedType many) {
            Type[] of = many.getActualTypeArguments();
            return many.getRawType() == List.class ? list(of[0], (List<?>) json) : map(of[1], (Map<?, ?>) json);
        }
        Class<?> plain = (Class<?>) type;
        if (json == null) {
            return plain == double.class ? (Object) Double.NaN : null;
        }
        if (plain.isRecord()) {
            return record(plain, json);
        }
        if (plain == double.class || plain == Double.class) {
            return ((Number) json).doubleValue();
        }
        return json;
    }

    private static List<Object> list(Type of, List<?> json) {
        if (json == null) {
            return null;
        }
        List<Object> found = new ArrayList<>(json.size());
        for (Object one : json) {
            found.add(made(of, one));
        }
        return found;
    }

    private static Map<String, Object> map(Type of, Map<?, ?> json) {
        Map<String, Object> found = new LinkedHashMap<>();
        for (Map.Entry<?, ?> one : json.entrySet()) {
            found.put((String) one.getKey(), made(of, one.getValue()));
        }
        return found;
    }

    private static Object record(Class<?> type, Object json) {
        Shape shape = SHAPES.computeIfAbsent(type, Records::shape);
        Object[] values = new Object[shape.parts.length];
        for (int i = 0; i < values.length; i++) {
            Object part = json instanceof List<?> tuple ? tuple.get(i) : ((Map<?, ?>) json).get(shape.names[i]);
            values[i] = made(shape.parts[i].getGenericType(), part);
        }
        try {
            return shape.maker.newInstance(values);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private static Shape shape(Class<?> type) {
        RecordComponent[] parts = type.getRecordComponents();
        Class<?>[] types = new Class<?>[parts.length];
        String[] names = new String[parts.length];
        for (int i = 0; i < parts.length; i++) {
            types[i] = parts[i].getType();
            names[i] = snake(parts[i].getName());
        }
        try {
            Constructor<?> maker = type.getDeclaredConstructor(types);
            maker.setAccessible(true);
            for (RecordComponent part : parts) {
                part.getAccessor().setAccessible(true);
            }
            return new Shape(maker, parts, names);
        } catch (NoSuchMethodException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    static String snake(String camel) {
        StringBuilder found = new StringBuilder();
        for (char letter : camel.toCharArray()) {
            if (Character.isUpperCase(letter)) {
                found.append('_');
            }
            found.append(Character.toLowerCase(letter));
        }
        return found.toString();
    }

    /** A record, or what holds some, as the bridge writes it. */
    static Object json(Object value) {
        if (value instanceof Record) {
            Shape shape = SHAPES.computeIfAbsent(value.getClass(), Records::shape);
            Map<String, Object> found = new LinkedHashMap<>();
            for (int i = 0; i < shape.parts.length; i++) {
                try {
                    found.put(shape.names[i], json(shape.parts[i].getAccessor().invoke(value)));
                } catch (ReflectiveOperationException impossible) {
                    throw new IllegalStateException(impossible);
                }
            }
            return value instanceof Tuple ? new ArrayList<>(found.values()) : found;
        }
        if (value instanceof List<?> many) {
            List<Object> found = new ArrayList<>();
            many.forEach(one -> found.add(json(one)));
            return found;
        }
        if (value instanceof Map<?, ?> many) {
            Map<Object, Object> found = new LinkedHashMap<>();
            many.forEach((key, one) -> found.put(key, json(one)));
            return found;
        }
        return value instanceof Double number && number.isNaN() ? null : value;
    }
}

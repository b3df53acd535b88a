package recsys;

import java.lang.reflect.Array;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON as maps, lists, strings, longs, doubles, booleans and null: what the bridge needs, and no more. */
final class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object read(byte[] utf8) {
        return read(new String(utf8, StandardCharsets.UTF_8));
    }

    static Object read(String text) {
        Json reader = new Json(text);
        Object value = reader.value();
        reader.skip();
        if (reader.at != text.length()) {
            throw reader.wrong();
        }
        return value;
    }

    static String write(Object value) {
        StringBuilder to = new StringBuilder(128);
        write(to, value);
        return to.toString();
    }

    // -- reading --

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("no JSON at character " + at);
    }

    private void skip() {
        while (at < text.length() && text.charAt(at) <= ' ') {
            at++;
        }
    }

    private boolean next(char wanted) {
        skip();
        if (at < text.length() && text.charAt(at) == wanted) {
            at++;
            return true;
        }
        return false;
    }

    private void need(char wanted) {
        if (!next(wanted)) {
            throw wrong();
        }
    }

    private Object value() {
        skip();
        if (next('{')) {
            return object();
        }
        if (next('[')) {
            return list();
        }
        if (next('"')) {
            return string();
        }
        for (Map.Entry<String, Object> word : WORDS) {
            if (text.startsWith(word.getKey(), at)) {
                at += word.getKey().length();
                return word.getValue();
            }
        }
        return number();
    }

    private static final List<Map.Entry<String, Object>> WORDS = words();

    private static List<Map.Entry<String, Object>> words() {
        Map<String, Object> words = new LinkedHashMap<>();
        words.put("null", null);
        words.put("true", true);
        words.put("false", false);
        return new ArrayList<>(words.entrySet());
    }

    private Map<String, Object> object() {
        Map<String, Object> found = new LinkedHashMap<>();
        if (next('}')) {
            return found;
        }
        do {
            need('"');
            String name = string();
            need(':');
            found.put(name, value());
        } while (next(','));
        need('}');
        return found;
    }

    private List<Object> list() {
        List<Object> found = new ArrayList<>();
        if (next(']')) {
            return found;
        }
        do {
            found.add(value());
        } while (next(','));
        need(']');
        return found;
    }

    private String string() {
        int from = at;
        while (at < text.length() && text.charAt(at) != '"' && text.charAt(at) != '\\') {
            at++;
        }
        if (at < text.length() && text.charAt(at) == '"') {
            return text.substring(from, at++);
        }
        StringBuilder found = new StringBuilder(text.substring(from, at));
        while (at < text.length() && text.charAt(at) != '"') {
            char letter = text.charAt(at++);
            found.append(letter == '\\' ? escaped() : letter);
        }
        need('"');
        return found.toString();
    }

    private char escaped() {
        char letter = text.charAt(at++);
        if (letter == 'u') {
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }
        int which = "bfnrt".indexOf(letter);
        return which < 0 ? letter : "\b\f\n\r\t".charAt(which);
    }

    private Object number() {
        int from = at;
        boolean whole = true;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            char letter = text.charAt(at++);
            whole &= letter == '-' || Character.isDigit(letter);
        }
        if (from == at) {
            throw wrong();
        }
        String found = text.substring(from, at);
        return whole && found.length() < 19 ? (Object) Long.valueOf(found) : Double.valueOf(found);
    }

    // -- writing --

    private static void write(StringBuilder to, Object value) {
        if (value == null) {
            to.append("null");
        } else if (value instanceof CharSequence) {
            writeText(to, value.toString());
        } else if (value instanceof Double || value instanceof Float) {
            double number = ((Number) value).doubleValue();
            if (!Double.isFinite(number)) {
                throw new IllegalArgumentException("numbers must be finite");
            }
            to.append(value);
        } else if (value instanceof Number || value instanceof Boolean) {
            to.append(value);
        } else if (value instanceof Map<?, ?> map) {
            char before = '{';
            for (Map.Entry<?, ?> one : map.entrySet()) {
                to.append(before);
                writeText(to, one.getKey().toString());
                to.append(':');
                write(to, one.getValue());
                before = ',';
            }
            to.append(before == '{' ? "{}" : "}");
        } else if (value instanceof Iterable<?> many) {
            char before = '[';
            for (Object one : many) {
                to.append(before);
                write(to, one);
                before = ',';
            }
            to.append(before == '[' ? "[]" : "]");
        } else if (value.getClass().isArray()) {
            List<Object> many = new ArrayList<>();
            for (int i = 0; i < Array.getLength(value); i++) {
                many.add(Array.get(value, i));
            }
            write(to, many);
        } else {
            throw new IllegalArgumentException("this cannot be told as JSON");
        }
    }

    private static void writeText(StringBuilder to, String text) {
        to.append('"');
        for (int i = 0; i < text.length(); i++) {
            char letter = text.charAt(i);
            if (letter == '"' || letter == '\\') {
                to.append('\\').append(letter);
            } else if (letter < ' ' || Character.isSurrogate(letter)) {
                to.append(String.format("\\u%04x", (int) letter)); // half a character is for recsys to refuse
            } else {
                to.append(letter);
            }
        }
        to.append('"');
    }
}

# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_glyphs: glyphs of all scripts in matplotlib's texts, regardless of their font.

matplotlib draws a character with the first font of a text's families that contains it. Most programs
and styles, and seaborn, name only one family. So this module adds fallback fonts to each text. It also
maps the names of fonts of other systems to the fonts of this image.
"""

_FONTS = ["DejaVu Sans", "WenQuanYi Micro Hei", "Symbola", "Unifont", "Unifont Upper"]

_STAND_FOR = {
    "wenquanyi micro hei": """
        SimHei, SimSun, NSimSun, KaiTi, FangSong, Microsoft YaHei, Microsoft JhengHei, PingFang SC,
        PingFang TC, PingFang HK, Heiti SC, Heiti TC, STHeiti, STXihei, STSong, STKaiti, STFangsong,
        Songti SC, Kaiti SC, Hiragino Sans GB, Arial Unicode MS, WenQuanYi Zen Hei,
        Droid Sans Fallback, Noto Sans CJK SC, Noto Sans CJK TC, Noto Sans CJK HK, Noto Sans CJK JP,
        Noto Sans CJK KR, Noto Serif CJK SC, Noto Serif CJK TC, Noto Serif CJK JP,
        Noto Serif CJK KR, Noto Sans SC, Noto Sans TC, Noto Sans JP, Noto Sans KR,
        Source Han Sans SC, Source Han Sans CN, Source Han Serif SC, Yu Gothic, Meiryo, MS Gothic,
        MS PGothic, MS Mincho, Hiragino Sans, Hiragino Kaku Gothic ProN, Hiragino Maru Gothic Pro,
        IPAGothic, IPAPGothic, IPAexGothic, Takao, TakaoGothic, TakaoPGothic, VL Gothic, VL PGothic,
        Malgun Gothic, NanumGothic, Nanum Gothic, NanumBarunGothic, AppleGothic,
        Apple SD Gothic Neo, Batang, Gulim, Dotum""",
    "symbola": """
        Segoe UI Emoji, Segoe UI Symbol, Apple Color Emoji, Noto Color Emoji, Noto Emoji, Twemoji,
        EmojiOne, Noto Sans Symbols, Noto Sans Symbols 2, Noto Sans Symbols2""",
}
_STAND_FOR = {font: {name.strip().lower() for name in names.split(",")}
              for font, names in _STAND_FOR.items()}


def _single_names(manager, families, generic_names):
    for family in [families] if isinstance(families, str) else families:
        if family.lower() in generic_names:
            yield from manager._expand_aliases(family.lower())
        else:
            yield family


def _is_of_text(code):
    """Whether the character is not a mathematical symbol: it belongs to a script, or is a pictogram or an emoji."""
    return (0x2600 <= code < 0x27C0 or 0x2B00 <= code < 0xE000 or 0xF900 <= code < 0x1D400
            or 0x1D800 <= code)


def install_in_formulas(mathtext):
    """Patches matplotlib._mathtext, which draws texts with formulas. The argument is the dictionary of its globals."""
    from matplotlib.font_manager import fontManager, get_font

    fonts_type = mathtext["UnicodeFonts"]
    get_glyph = fonts_type._get_glyph

    def get_glyph_of_any_font(self, fontname, font_class, sym):
        if len(sym) == 1 and _is_of_text(ord(sym)):
            for path in fontManager._find_fonts_by_props(self.default_font_prop):
                font = get_font(path)
                if font.get_char_index(ord(sym)) != 0:
                    return font, ord(sym), False
        return get_glyph(self, fontname, font_class, sym)

    fonts_type._get_glyph = get_glyph_of_any_font


def install_in_texts(font_manager):
    """Patches matplotlib.font_manager. The argument is the dictionary of its globals."""
    manager_type = font_manager["FontManager"]
    properties_type = font_manager["FontProperties"]
    score_family = manager_type.score_family
    find_fonts = manager_type._find_fonts_by_props

    def score_name_or_stand_in(self, families, family):
        """Returns a score from 0.0 (best) to 1.0. A font with the requested name wins over its replacement."""
        score = score_family(self, families, family)
        stood_for = _STAND_FOR.get(family.lower())
        if score < 1.0 or not stood_for:
            return score
        names = list(_single_names(self, families, font_manager["font_family_aliases"]))
        ranks = [rank for rank, name in enumerate(names) if name.lower() in stood_for]
        return (ranks[0] + 0.5) / len(names) if ranks else score

    def find_fonts_and_more(self, prop, fontext="ttf", *args, **kwargs):
        paths = find_fonts(self, prop, fontext, *args, **kwargs)
        if fontext != "ttf":
            return paths
        properties = properties_type._from_any(prop).copy()
        properties.set_file(None)
        for family in _FONTS:
            properties.set_family(family)
            try:
                path = self.findfont(properties, fallback_to_default=False)
            except ValueError:
                continue  # the font was removed from this machine
            if path not in paths:
                paths.append(path)
        return paths

    manager_type.score_family = score_name_or_stand_in
    manager_type._find_fonts_by_props = find_fonts_and_more

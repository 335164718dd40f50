//! What is said in other languages than English: everyday office talk, so that text of several scripts and of many
//! letters beyond ASCII goes through every stage.
//!
//! One topic a language; slots stand where no word has to be inflected.

use super::phrases::{Topic, Words};

/// The languages of people, as often as they are spoken; `None` is English.
pub(super) const OF_PEOPLE: [Option<&'static Topic>; 12] = [
    None,
    Some(&GERMAN),
    None,
    Some(&FRENCH),
    None,
    Some(&SPANISH),
    Some(&GERMAN),
    None,
    Some(&ITALIAN),
    Some(&POLISH),
    None,
    Some(&PORTUGUESE),
];

pub(super) static GERMAN: Topic = Topic {
    questions: &[
        "Wie antworten wir einem Kunden aus {place}, der seit Wochen auf Nachricht wartet ({thing})?",
        "Fass bitte zusammen, was sich {time} geändert hat: {thing}.",
        "Welche Punkte betreffen das Team {team}, und was muss vor der nächsten Sitzung geklärt sein?",
        "Schreib einen kurzen Entwurf zum Thema „{thing}“, freundlich und ohne Fachwörter.",
    ],
    details: &[
        "Die Kollegen aus {place} haben {time} angerufen und um Rückruf gebeten.",
        "Das Team {team} hält den Vorschlag für machbar, möchte ihn aber noch einmal prüfen.",
        "Im zweiten Abschnitt fehlt eine Begründung, und die Tabelle passt nicht zum Text.",
        "Der Vertrag deckt Teile und Anfahrt, nicht jedoch die Stunden eines fremden Betriebs.",
        "Ein früherer Entwurf lag {time} vor; seither wurde nur die Reihenfolge geändert.",
    ],
    answers: &[
        "Vielen Dank für Ihre Geduld; eine Technikerin kann {time} bei Ihnen sein.",
        "Laut Handbuch muss das Ventil ganz geöffnet sein, bevor der Druck abgelesen wird.",
        "Ich würde keinen Termin zusagen, solange der Bestand in {place} nicht bestätigt ist.",
        "Offen ist noch, wer unterschreibt und wer nur informiert wird.",
        "Für das Team {team} ändert sich nichts außer einem Formular, das {time} auszufüllen ist.",
        "Die Fußnote widerspricht der Übersicht, zu der sie gehört; das sollte jemand klären.",
    ],
    snippets: &[],
    closers: &[
        "Bitte so kurz, dass man es am Telefon lesen kann.",
        "Sag dazu, wo du unsicher bist.",
        "Drei Vorschläge genügen.",
    ],
    found: "Im Archiv gefunden:",
    words: &Words {
        teams: &["Logistik", "Einkauf", "Buchhaltung", "Außendienst"],
        things: &["Lieferschein", "Rahmenvertrag", "Schulungsplan", "Prüfbericht", "Gewährleistung"],
        times: &["am letzten Dienstag", "vor den Feiertagen", "seit der Umstellung", "über das Wochenende"],
    },
};

pub(super) static FRENCH: Topic = Topic {
    questions: &[
        "Comment répondre à un client de {place} qui attend une réponse {time} ({thing}) ?",
        "Peux-tu résumer ce qui a changé {time} dans le dossier « {thing} » ?",
        "Quels points concernent l’équipe {team}, et que faut-il décider avant la prochaine réunion ?",
        "Rédige un court message au sujet suivant : {thing}, sur un ton simple et aimable.",
    ],
    details: &[
        "Nos collègues de {place} ont appelé {time} et demandent qu’on les rappelle.",
        "L’équipe {team} trouve la proposition réaliste, mais souhaite la relire.",
        "Il manque une explication dans la deuxième partie, et le tableau ne correspond pas au texte.",
        "Le contrat couvre les pièces et le déplacement, pas les heures d’un prestataire extérieur.",
        "Une première version circulait déjà {time} ; seul l’ordre a changé depuis.",
    ],
    answers: &[
        "Merci de votre patience ; une technicienne pourra passer {time}.",
        "D’après le manuel, la vanne doit être entièrement ouverte avant de lire la pression.",
        "J’éviterais de promettre une date tant que le stock de {place} n’est pas confirmé.",
        "Reste à savoir qui signe et qui est seulement informé.",
        "Rien ne change pour l’équipe {team}, hormis un formulaire à remplir {time}.",
        "La note de bas de page contredit le tableau auquel elle se rapporte.",
    ],
    snippets: &[],
    closers: &["Reste assez bref pour une lecture sur téléphone.", "Dis où tu as un doute.", "Trois idées suffisent."],
    found: "Trouvé dans les archives :",
    words: &Words {
        teams: &["logistique", "achats", "comptabilité", "formation"],
        things: &["bon de livraison", "contrat-cadre", "plan de formation", "garantie", "rapport d’audit"],
        times: &["mardi dernier", "avant les fêtes", "depuis la migration", "à la fin du trimestre"],
    },
};

pub(super) static SPANISH: Topic = Topic {
    questions: &[
        "¿Cómo contestamos a un cliente de {place} que espera noticias {time} ({thing})?",
        "¿Puedes resumir lo que cambió {time} en el documento «{thing}»?",
        "¿Qué puntos afectan al equipo de {team} y qué hay que decidir antes de la próxima reunión?",
        "Redacta una nota breve sobre este asunto: {thing}, en tono sencillo y amable.",
    ],
    details: &[
        "Los compañeros de {place} llamaron {time} y piden que les devolvamos la llamada.",
        "El equipo de {team} ve viable la propuesta, aunque quiere revisarla otra vez.",
        "Falta una explicación en la segunda parte, y la tabla no coincide con el texto.",
        "El contrato cubre piezas y desplazamiento, pero no las horas de una empresa externa.",
        "Ya había un borrador {time}; desde entonces solo cambió el orden.",
    ],
    answers: &[
        "Gracias por su paciencia; una técnica podrá visitarle {time}.",
        "Según el manual, la válvula debe abrirse del todo antes de leer la presión.",
        "Yo no prometería una fecha mientras no se confirme el almacén de {place}.",
        "Queda por saber quién firma y quién solo recibe aviso.",
        "Para el equipo de {team} no cambia nada, salvo un formulario que hay que rellenar {time}.",
        "La nota al pie contradice la tabla a la que pertenece.",
    ],
    snippets: &[],
    closers: &["Que se pueda leer en un teléfono.", "Indica dónde tienes dudas.", "Con tres opciones basta."],
    found: "Encontrado en el archivo:",
    words: &Words {
        teams: &["logística", "compras", "contabilidad", "formación"],
        things: &["albarán", "contrato marco", "plan de formación", "garantía", "informe de auditoría"],
        times: &["el martes pasado", "antes de las fiestas", "desde la migración", "a final de trimestre"],
    },
};

pub(super) static ITALIAN: Topic = Topic {
    questions: &[
        "Come rispondiamo a un cliente di {place} che aspetta notizie {time} ({thing})?",
        "Riassumi per favore che cosa è cambiato {time}: {thing}.",
        "Quali punti riguardano il gruppo {team} e che cosa va deciso prima della prossima riunione?",
    ],
    details: &[
        "I colleghi di {place} hanno telefonato {time} e chiedono di essere richiamati.",
        "Il gruppo {team} ritiene fattibile la proposta, ma vorrebbe rivederla.",
        "Nella seconda parte manca una spiegazione, e la tabella non corrisponde al testo.",
        "Il contratto copre i pezzi e il viaggio, non le ore di una ditta esterna.",
        "Una prima bozza girava già {time}; da allora è cambiato soltanto l’ordine.",
    ],
    answers: &[
        "Grazie della pazienza; una tecnica potrà passare {time}.",
        "Secondo il manuale la valvola va aperta del tutto prima di leggere la pressione.",
        "Eviterei di promettere una data finché la giacenza di {place} non è confermata.",
        "Resta da capire chi firma e chi viene soltanto avvisato.",
        "Per il gruppo {team} non cambia nulla, a parte un modulo da compilare {time}.",
        "La nota a piè di pagina contraddice la tabella a cui si riferisce.",
    ],
    snippets: &[],
    closers: &["Abbastanza breve da leggerlo al telefono.", "Di’ dove hai dei dubbi.", "Bastano tre proposte."],
    found: "Trovato in archivio:",
    words: &Words {
        teams: &["logistica", "acquisti", "contabilità", "formazione"],
        things: &["bolla di consegna", "contratto quadro", "piano di formazione", "garanzia"],
        times: &["martedì scorso", "prima delle feste", "dopo la migrazione", "a fine trimestre"],
    },
};

pub(super) static POLISH: Topic = Topic {
    questions: &[
        "Jak odpowiedzieć klientowi ({place}), który {time} nie dostał odpowiedzi? Dotyczy: {thing}.",
        "Streść proszę, co się zmieniło {time}: {thing}.",
        "Które punkty dotyczą zespołu „{team}” i co trzeba ustalić przed następnym spotkaniem?",
    ],
    details: &[
        "Koleżanki z oddziału {place} dzwoniły {time} i proszą o kontakt.",
        "Zespół „{team}” uważa propozycję za możliwą, ale chce ją jeszcze raz przejrzeć.",
        "W drugiej części brakuje uzasadnienia, a tabela nie zgadza się z tekstem.",
        "Umowa obejmuje części i dojazd, lecz nie godziny pracy obcej firmy.",
        "Wcześniejszy szkic krążył już {time}; od tej pory zmieniła się tylko kolejność.",
    ],
    answers: &[
        "Dziękujemy za cierpliwość; serwisantka może przyjechać {time}.",
        "Według podręcznika zawór musi być całkiem otwarty, zanim odczyta się ciśnienie.",
        "Nie obiecywałbym terminu, dopóki magazyn ({place}) nie potwierdzi stanu.",
        "Nie wiadomo jeszcze, kto podpisuje, a kto jest tylko informowany.",
        "Dla zespołu „{team}” nic się nie zmienia poza formularzem do wypełnienia {time}.",
        "Przypis przeczy tabeli, do której należy; warto to wyjaśnić.",
    ],
    snippets: &[],
    closers: &["Krótko, żeby dało się przeczytać w telefonie.", "Zaznacz, gdzie masz wątpliwości."],
    found: "Znaleziono w archiwum:",
    words: &Words {
        teams: &["logistyka", "zakupy", "księgowość", "szkolenia"],
        things: &["dowód dostawy", "umowa ramowa", "plan szkoleń", "raport z przeglądu"],
        times: &["w zeszły wtorek", "przed świętami", "po migracji", "w weekend"],
    },
};

pub(super) static PORTUGUESE: Topic = Topic {
    questions: &[
        "Como respondemos a um cliente de {place} que espera notícias {time} ({thing})?",
        "Podes resumir o que mudou {time} no documento «{thing}»?",
        "Que pontos dizem respeito à equipa de {team} e o que falta decidir antes da próxima reunião?",
    ],
    details: &[
        "Os colegas de {place} telefonaram {time} e pedem que lhes devolvamos a chamada.",
        "A equipa de {team} acha a proposta viável, mas quer revê-la.",
        "Falta uma explicação na segunda parte, e a tabela não bate certo com o texto.",
        "O contrato cobre peças e deslocação, mas não as horas de uma empresa externa.",
        "Já havia um rascunho {time}; desde então só mudou a ordem.",
    ],
    answers: &[
        "Obrigado pela paciência; uma técnica poderá passar {time}.",
        "Segundo o manual, a válvula tem de estar toda aberta antes de se ler a pressão.",
        "Eu não prometeria uma data enquanto o armazém de {place} não confirmar.",
        "Falta saber quem assina e quem é apenas informado.",
        "Para a equipa de {team} nada muda, além de um formulário a preencher {time}.",
        "A nota de rodapé contradiz a tabela a que pertence.",
    ],
    snippets: &[],
    closers: &["Curto, para se ler no telemóvel.", "Diz onde tens dúvidas.", "Três opções chegam."],
    found: "Encontrado no arquivo:",
    words: &Words {
        teams: &["logística", "compras", "contabilidade", "formação"],
        things: &["guia de remessa", "contrato-quadro", "plano de formação", "relatório de auditoria"],
        times: &["na terça-feira passada", "antes das férias", "desde a migração", "no fim do trimestre"],
    },
};

pub(super) static JAPANESE: Topic = Topic {
    questions: &[
        "{place}のお客様への返信はどう書けばよいでしょうか。件名は「{thing}」です。",
        "{time}に「{thing}」で変わった点をまとめてください。",
        "{team}に関係する項目と、次の会議までに決めることを教えてください。",
    ],
    details: &[
        "{place}の担当者から{time}に電話があり、折り返しを希望しています。",
        "{team}は実現できると見ていますが、もう一度確認したいそうです。",
        "第二章には理由の説明がなく、表と本文が合っていません。",
        "契約は部品と出張費を含みますが、外部業者の作業時間は含みません。",
        "最初の案は{time}に配られ、その後は順番だけが変わりました。",
    ],
    answers: &[
        "お待たせして申し訳ありません。{time}に技術者がうかがいます。",
        "手引きによると、圧力を読む前に弁を完全に開ける必要があります。",
        "{place}の在庫が確認できるまで、日付は約束しない方がよいと思います。",
        "誰が署名し、誰に知らせるだけなのかは、まだ決まっていません。",
        "{team}への影響は、{time}に提出する書類が一つ増えることだけです。",
        "脚注の内容が表と食い違っているので、確認をお勧めします。",
    ],
    snippets: &[],
    closers: &["電話の画面で読める長さにしてください。", "分からない点はそう書いてください。"],
    found: "書庫の検索結果：",
    words: &Words {
        teams: &["物流部", "購買部", "経理部", "研修担当"],
        things: &["納品書", "基本契約", "研修計画", "保証書", "監査報告"],
        times: &["先週の火曜日", "連休の前", "移行の後", "四半期の終わり"],
    },
};
